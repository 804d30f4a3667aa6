-- Shows a call of this gateway to the others as it is now, and takes it off their list when it is over. Of one that was erased nothing is
-- shown any more, however late it is told.
-- ARGV: prefix, node, channel, id, record, 1 = it is over
local p = ARGV[1]
local live = p .. 'live:' .. ARGV[2]
if ARGV[6] == '1' or redis.call('HEXISTS', p .. 'call:' .. ARGV[4], 'erased') == 1 then
  redis.call('HDEL', live, ARGV[4])
else
  redis.call('HSET', live, ARGV[4], ARGV[5])
end
redis.call('PUBLISH', ARGV[3], 'call ' .. ARGV[2] .. ' ' .. ARGV[5])
return 1

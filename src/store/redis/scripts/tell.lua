-- Tells the other gateways of a call of this one as it is now, and keeps it on the list of live calls until it is over. One that was erased
-- comes onto that list no more, however late it is told; whoever listens hears what is told of it all the same.
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

-- What the person said about a call; 0 = no such call, or it was erased.
-- ARGV: prefix, channel, who says so, id, verdict, report (sealed), its key
local p = ARGV[1]
local call = p .. 'call:' .. ARGV[4]
local old = redis.call('HMGET', call, 'place', 'number', 'answered', 'verdict', 'erased')
if not old[1] or old[5] then
  return 0
end
redis.call('HSET', call, 'verdict', ARGV[5], 'report', ARGV[6])
redis.call('HSET', p .. 'keys', ARGV[4] .. ':report', ARGV[7])
if old[2] ~= '' then
  local index = p .. 'calls:number:' .. old[2]
  redis.call('ZREM', index, old[1] .. ':' .. old[3] .. ':' .. old[4])
  redis.call('ZADD', index, 0, old[1] .. ':' .. old[3] .. ':' .. ARGV[5])
end
redis.call('PUBLISH', ARGV[2], 'changed ' .. ARGV[3] .. ' reports')
return 1

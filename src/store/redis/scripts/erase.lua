-- Erases what calls say of people: their keys go, and what is said of them by number. Gives how many are not over, and stay.
-- ARGV: prefix, channel, who says so, when, then of each call id, revision, what stays of it
local p, left = ARGV[1], 0
local nodes = redis.call('SMEMBERS', p .. 'nodes')
for at = 5, #ARGV, 3 do
  local id = ARGV[at]
  local call = p .. 'call:' .. id
  local old = redis.call('HMGET', call, 'place', 'number', 'ending', 'answered', 'verdict', 'entry', 'erased')
  if old[1] and old[3] == '' then
    left = left + 1
  elseif old[1] and not old[7] then
    redis.call('HDEL', p .. 'keys', id, id .. ':report')
    -- It is over, and whoever had it may be slow to say so.
    for _, node in ipairs(nodes) do
      redis.call('HDEL', p .. 'live:' .. node, id)
    end
    if old[2] ~= '' then
      redis.call('ZREM', p .. 'calls:number:' .. old[2], old[1] .. ':' .. old[4] .. ':' .. old[5])
    end
    redis.call('ZREM', p .. 'named', old[1])
    redis.call('XDEL', p .. 'sealed', old[6])
    redis.call('XDEL', p .. 'records', old[6])
    local entry = redis.call('XADD', p .. 'sealed', '*', 'call', id, 'revision', ARGV[at + 1], 'record', ARGV[at + 2])
    redis.call('HSET', call, 'revision', ARGV[at + 1], 'number', '', 'report', '', 'entry', entry, 'erased', ARGV[4])
  end
end
redis.call('PUBLISH', ARGV[2], 'changed ' .. ARGV[3] .. ' reports')
return left

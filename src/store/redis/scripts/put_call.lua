-- Keeps a call and what finds it again, unless a newer revision of it is kept already or it was erased. A report stays. What is kept of a
-- neighbour's call while it lasts (somebody said something of it here) is the neighbour's: whoever keeps it does not end it by starting anew.
-- ARGV: prefix, node, id, start (20 digits), revision, number (its digest), label, queue, ending, answered, verdict, report,
--   record (both sealed), and the keys of the two
local p, node, id, revision = ARGV[1], ARGV[2], ARGV[3], ARGV[5]
local call = p .. 'call:' .. id
local old = redis.call('HMGET', call, 'revision', 'place', 'number', 'label', 'queue', 'ending', 'answered',
  'verdict', 'report', 'entry', 'node', 'erased')
if old[12] or (old[1] and tonumber(old[1]) > tonumber(revision)) then
  return 0
end
if ARGV[9] == '' then
  for _, other in ipairs(redis.call('SMEMBERS', p .. 'nodes')) do
    if other ~= ARGV[2] and redis.call('HEXISTS', p .. 'live:' .. other, id) == 1 then
      node = other
    end
  end
end
local place = ARGV[4] .. ':' .. id
local verdict, report, report_key = ARGV[11], ARGV[12], ARGV[15]
if old[1] then
  if old[8] ~= '' then
    verdict, report, report_key = old[8], old[9], ''
  end
  redis.call('ZREM', p .. 'calls', old[2])
  redis.call('ZREM', p .. 'named', old[2])
  if old[3] ~= '' then
    redis.call('ZREM', p .. 'calls:number:' .. old[3], old[2] .. ':' .. old[7] .. ':' .. old[8])
  end
  for at, kind in ipairs({ 'label', 'queue', 'ending' }) do
    if old[3 + at] ~= '' then
      redis.call('ZREM', p .. 'calls:' .. kind .. ':' .. old[3 + at], old[2])
    end
  end
  redis.call('SREM', p .. 'open:' .. old[11], id)
  redis.call('XDEL', p .. 'sealed', old[10])
  -- Kept in clear by an older gateway.
  redis.call('XDEL', p .. 'records', old[10])
end
local entry = redis.call('XADD', p .. 'sealed', '*', 'call', id, 'revision', revision, 'record', ARGV[13])
redis.call('HSET', call, 'revision', revision, 'place', place, 'number', ARGV[6], 'label', ARGV[7], 'queue', ARGV[8],
  'ending', ARGV[9], 'answered', ARGV[10], 'verdict', verdict, 'report', report, 'entry', entry, 'node', node)
redis.call('HSET', p .. 'keys', id, ARGV[14])
if report_key ~= '' then
  redis.call('HSET', p .. 'keys', id .. ':report', report_key)
end
redis.call('ZADD', p .. 'calls', 0, place)
redis.call('ZADD', p .. 'named', 0, place)
if ARGV[6] ~= '' then
  redis.call('ZADD', p .. 'calls:number:' .. ARGV[6], 0, place .. ':' .. ARGV[10] .. ':' .. verdict)
end
for at, kind in ipairs({ 'label', 'queue', 'ending' }) do
  if ARGV[6 + at] ~= '' then
    redis.call('ZADD', p .. 'calls:' .. kind .. ':' .. ARGV[6 + at], 0, place)
  end
end
if ARGV[9] == '' then
  redis.call('SADD', p .. 'open:' .. node, id)
end
return 1

-- Records and reports of calls, two for each that is kept: ARGV: prefix, id, id, ...
local found = {}
for at = 2, #ARGV do
  local known = redis.call('HMGET', ARGV[1] .. 'call:' .. ARGV[at], 'entry', 'report')
  if known[1] then
    local entry = redis.call('XRANGE', ARGV[1] .. 'records', known[1], known[1])
    found[#found + 1] = entry[1] and entry[1][2][6] or ''
    found[#found + 1] = known[2]
  end
end
return found

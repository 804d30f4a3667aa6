-- Of each call that is kept: id, record, report, and the keys to the two. ARGV: prefix, id, id, ...
local found = {}
local p = ARGV[1]
for at = 2, #ARGV do
  local id = ARGV[at]
  local known = redis.call('HMGET', p .. 'call:' .. id, 'entry', 'report')
  if known[1] then
    local entry = redis.call('XRANGE', p .. 'sealed', known[1], known[1])
    if not entry[1] then
      -- As gateways of the layout before wrote it.
      entry = redis.call('XRANGE', p .. 'records', known[1], known[1])
    end
    local keys = redis.call('HMGET', p .. 'keys', id, id .. ':report')
    found[#found + 1] = id
    found[#found + 1] = entry[1] and entry[1][2][6] or ''
    found[#found + 1] = known[2]
    found[#found + 1] = keys[1] or ''
    found[#found + 1] = keys[2] or ''
  end
end
return found

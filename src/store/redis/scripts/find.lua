-- Calls of an index before one of its entries, the newest first, that are what is asked for; so many entries are looked at.
-- ARGV: prefix, index, before, most looked at, most found, number (its digest), label, queue, ending (empty = any)
-- Gives the last entry that was looked at (empty = there are no more), and the ids.
local p, most = ARGV[1], tonumber(ARGV[5])
local found = { '' }
for _, entry in ipairs(redis.call('ZREVRANGEBYLEX', ARGV[2], ARGV[3], '-', 'LIMIT', 0, ARGV[4])) do
  found[1] = entry
  local id = string.match(entry, '^%d+:(%x+)')
  local known = redis.call('HMGET', p .. 'call:' .. (id or ''), 'number', 'label', 'queue', 'ending')
  local is_meant = id ~= nil
  for at = 1, 4 do
    is_meant = is_meant and (ARGV[5 + at] == '' or known[at] == ARGV[5 + at])
  end
  if is_meant then
    found[#found + 1] = id
  end
  if #found > most then
    break
  end
end
return found

-- Calls of an index before one of its entries, the newest first, that are what is asked for; so many entries are looked at.
-- ARGV: prefix, index, before, most looked at, most found, number (its digest), label, queue, ending (empty = any)
-- Gives the last entry that was looked at (empty = there are no more), and the ids.
local call, most = ARGV[1] .. 'call:', tonumber(ARGV[5])
local fields, wanted = {}, {}
for at, field in ipairs({ 'number', 'label', 'queue', 'ending' }) do
  if ARGV[5 + at] ~= '' then
    fields[#fields + 1] = field
    wanted[#wanted + 1] = ARGV[5 + at]
  end
end
local found = { '' }
for _, entry in ipairs(redis.call('ZREVRANGEBYLEX', ARGV[2], ARGV[3], '-', 'LIMIT', 0, ARGV[4])) do
  found[1] = entry
  -- Behind 20 digits and a colon.
  local id = string.sub(entry, 22, 53)
  local is_meant = true
  if #fields > 0 then
    local known = redis.call('HMGET', call .. id, unpack(fields))
    for at = 1, #fields do
      is_meant = is_meant and known[at] == wanted[at]
    end
  end
  if is_meant then
    found[#found + 1] = id
  end
  if #found > most then
    break
  end
end
return found

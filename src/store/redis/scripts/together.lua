-- Several writes, all of them or none (0 = a number or a revision was not the next one). Redis runs a script whole: nobody
-- sees half of it, and what is written before a fault cannot be, since everything is looked at first.
-- ARGV: prefix, channel, who says so, then for each write
--   S name value | A journal number entry | K journal number sealed key | D journal first last (keys to be destroyed) | R shelf revision documents (key, 1 or 0 = taken away, text) ...
local p = ARGV[1]
local last, revisions = {}, {}
local function last_of(journal)
  if not last[journal] then
    local entry = redis.call('XREVRANGE', p .. 'journal:' .. journal, '+', '-', 'COUNT', 1)[1]
    last[journal] = entry and tonumber(string.match(entry[1], '^%d+')) or 0
  end
  return last[journal]
end
local function revision_of(shelf)
  if not revisions[shelf] then
    revisions[shelf] = tonumber(redis.call('GET', p .. 'revision:' .. shelf) or '0')
  end
  return revisions[shelf]
end

local at = 4
while ARGV[at] do
  if ARGV[at] == 'S' then
    at = at + 3
  elseif ARGV[at] == 'K' then
    at = at + 5
  elseif ARGV[at] == 'D' then
    at = at + 4
  elseif ARGV[at] == 'A' then
    if tonumber(ARGV[at + 2]) ~= last_of(ARGV[at + 1]) + 1 then
      return 0
    end
    last[ARGV[at + 1]] = tonumber(ARGV[at + 2])
    at = at + 4
  else
    if tonumber(ARGV[at + 2]) ~= revision_of(ARGV[at + 1]) + 1 then
      return 0
    end
    revisions[ARGV[at + 1]] = tonumber(ARGV[at + 2])
    at = at + 4 + 3 * tonumber(ARGV[at + 3])
  end
end

at = 4
while ARGV[at] do
  local name, kind = ARGV[at + 1], ARGV[at]
  if kind == 'S' then
    redis.call('HSET', p .. 'settings', name, ARGV[at + 2])
    at = at + 3
  elseif kind == 'K' then
    redis.call('HSET', p .. 'beside:' .. name, ARGV[at + 2], ARGV[at + 3])
    redis.call('HSET', p .. 'beside_keys:' .. name, ARGV[at + 2], ARGV[at + 4])
    at = at + 5
  elseif kind == 'D' then
    for number = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]) do
      local field = string.format('%.0f', number)
      redis.call('HDEL', p .. 'beside_keys:' .. name, field)
      redis.call('HDEL', p .. 'beside:' .. name, field)
    end
    at = at + 4
  elseif kind == 'A' then
    redis.call('XADD', p .. 'journal:' .. name, ARGV[at + 2] .. '-0', 'entry', ARGV[at + 3])
    at = at + 4
  else
    redis.call('SET', p .. 'revision:' .. name, ARGV[at + 2])
    local documents = tonumber(ARGV[at + 3])
    at = at + 4
    for _ = 1, documents do
      if ARGV[at + 1] == '1' then
        redis.call('HSET', p .. 'shelf:' .. name, ARGV[at], ARGV[at + 2])
      else
        redis.call('HDEL', p .. 'shelf:' .. name, ARGV[at])
      end
      at = at + 3
    end
  end
  redis.call('PUBLISH', ARGV[2], 'changed ' .. ARGV[3] .. ' ' .. name)
end
return 1

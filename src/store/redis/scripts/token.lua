-- A call brings a PASSporT ('b') or is answered with it ('a'); 1 = that is a reuse. The rule is that of store/tokens.rs.
-- ARGV: prefix, digest, call, how, now, window (ms), most calls
local key, call = ARGV[1] .. 'token:' .. ARGV[2], ARGV[3]
local now, window = tonumber(ARGV[5]), tonumber(ARGV[6])
local known = redis.call('HMGET', key, 'calls', 'answered', 'last')
local calls, answered, last = known[1] or '', known[2] or '', tonumber(known[3] or ARGV[5])
if now - last >= window then
  calls, answered, last = '', '', now
end
local _, count = string.gsub(calls, '%S+', '')
local has_room = count < tonumber(ARGV[7])
local is_known = string.find(calls, call, 1, true) ~= nil
if not is_known and has_room then
  calls = calls .. ' ' .. call
end
local is_reused = (answered ~= '' and answered ~= call) or not (is_known or has_room)
if ARGV[4] == 'a' and answered == '' then
  answered = call
end
if now > last then
  last = now
end
redis.call('HSET', key, 'calls', calls, 'answered', answered, 'last', string.format('%.0f', last))
if redis.call('PTTL', key) < window then
  redis.call('PEXPIRE', key, ARGV[6])
end
return is_reused and 1 or 0

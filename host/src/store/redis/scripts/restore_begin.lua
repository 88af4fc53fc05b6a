#!lua
-- Begins a copy into a namespace: until it is finished no host opens it.
-- KEYS: meta, then all that a namespace in use has at least one of. ARGV: format, units, the copy's name, whether
-- to begin where another one was not finished.
-- Answers 1: begun, 2: another one was not finished, 0: somebody uses the namespace.
local copying = redis.call('HGET', KEYS[1], 'copying')
if copying == ARGV[3] then
  return 1
end
if copying and ARGV[4] == '0' then
  return 2
end
if not copying and redis.call('EXISTS', unpack(KEYS)) > 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'format', ARGV[1], 'units', ARGV[2], 'copying', ARGV[3])
return 1

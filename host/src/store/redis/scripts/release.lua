#!lua
-- Gives up a unit, or all of a holder's units and its membership.
-- KEYS: hosts, leases, owners. ARGV: holder, unit (empty: all).
local function give_up(unit)
  if redis.call('HGET', KEYS[3], unit) == ARGV[1] then
    redis.call('HDEL', KEYS[3], unit)
  end
end

if ARGV[2] ~= '' then
  give_up(ARGV[2])
  return
end
for _, unit in ipairs(redis.call('HKEYS', KEYS[3])) do
  give_up(unit)
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])

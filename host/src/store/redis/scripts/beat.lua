#!lua
-- Tells that a host is alive, and answers everyone and everything that is held.
-- KEYS: hosts, leases, owners. ARGV: holder, what it tells of itself, lease in ms.
-- Answers now in ms, hosts, when their leases end, and the owners of units.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[3]), ARGV[1])

local owners = redis.call('HGETALL', KEYS[3])
local holds = {}
for i = 2, #owners, 2 do
  holds[owners[i]] = true
end
-- Who is not alive and holds nothing is nobody's business any more.
for _, holder in ipairs(redis.call('ZRANGE', KEYS[2], '-inf', string.format('%.0f', now), 'BYSCORE')) do
  if not holds[holder] then
    redis.call('HDEL', KEYS[1], holder)
    redis.call('ZREM', KEYS[2], holder)
  end
end
return {
  now,
  redis.call('HGETALL', KEYS[1]),
  redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES'),
  owners,
}

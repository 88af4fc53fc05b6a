#!lua
-- Takes over an installation of an earlier format, once its ledger has a head.
-- KEYS: meta, leases, entries, ledger. ARGV: the earlier format, the new one, how many entries the head was computed
-- over, the head.
-- Answers OK: it has the new format; MOVED: there are other entries by now; ALIVE: hosts of the earlier version work.
local META, LEASES, ENTRIES, LEDGER = unpack(KEYS)
local from, to, entries, head = unpack(ARGV)
if redis.call('HGET', META, 'format') ~= from then
  -- Another host was first.
  return 'OK'
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
if redis.call('ZCOUNT', LEASES, '(' .. now, '+inf') > 0 then
  return 'ALIVE'
end
if redis.call('XLEN', ENTRIES) ~= tonumber(entries) then
  return 'MOVED'
end
redis.call('HSET', LEDGER, 'entries', entries, 'head', head, 'unchained', entries)
redis.call('HSET', META, 'format', to)
return 'OK'

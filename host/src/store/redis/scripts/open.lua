#!lua
-- Makes an installation where there is none. KEYS: meta. ARGV: format, units.
-- Answers its format, its units and whether a copy into it is unfinished.
redis.call('HSETNX', KEYS[1], 'format', ARGV[1])
redis.call('HSETNX', KEYS[1], 'units', ARGV[2])
return redis.call('HMGET', KEYS[1], 'format', 'units', 'copying')

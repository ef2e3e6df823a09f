-- Renews the leases of a node's seats with one subject, and writes again those that are gone.
-- KEYS: the subject. ARGV: the lease in microseconds, the key's life in milliseconds, its tenant's tag, then the seats.
-- Answers 1, or 2 where the set is not this tenant's.
local kind = redis.call('TYPE', KEYS[1])['ok']
if kind ~= 'none' and (kind ~= 'zset' or not redis.call('ZSCORE', KEYS[1], ARGV[3])) then
    return 2
end
local ends = string.format('%.0f', tonumber(now[1]) * 1000000 + tonumber(now[2]) + tonumber(ARGV[1]))
redis.call('ZADD', KEYS[1], '+inf', ARGV[3])
for i = 4, #ARGV do
    redis.call('ZADD', KEYS[1], ends, ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1

-- Takes a seat with each subject or none.
-- KEYS: a subject each. ARGV: the lease in microseconds, the key's life in milliseconds, then three for each subject: its tenant's tag,
-- how many seats it has, the new seat.
-- A subject's set holds its seats, scored by when their lease ends, and the tag, which never ends: the mark of whose set it is.
-- Answers {1} taken, {0, index} full, or {2, index} where a set is not this tenant's.
local moment = tonumber(now[1]) * 1000000 + tonumber(now[2])
for i, key in ipairs(KEYS) do
    local kind = redis.call('TYPE', key)['ok']
    if kind ~= 'none' then
        local tag, seats = ARGV[3 * i], tonumber(ARGV[3 * i + 1])
        if kind ~= 'zset' or not redis.call('ZSCORE', key, tag) then
            return {2, i}
        end
        redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', moment))
        if redis.call('ZCARD', key) - 1 >= seats then
            return {0, i}
        end
    elseif tonumber(ARGV[3 * i + 1]) < 1 then
        return {0, i}
    end
end
local ends = string.format('%.0f', moment + tonumber(ARGV[1]))
for i, key in ipairs(KEYS) do
    redis.call('ZADD', key, '+inf', ARGV[3 * i], ends, ARGV[3 * i + 2])
    redis.call('PEXPIRE', key, ARGV[2])
end
return {1}

-- Charges all limiters or none: GCRA, as rate.rs does it for one process.
-- KEYS: a limiter each. ARGV, four for each: its tenant's tag, its limit a minute, what is taken, what it owes in nanoseconds.
-- A limiter's value is <tag>:<seconds>:<nanoseconds>: until when it is booked out.
-- Answers {1 charged | 0 refused, then for each limiter: booked nanoseconds, nanoseconds to wait}, or {2, index} where a value is
-- not this tenant's.
local MINUTE = 60000000000
local SECOND = 1000000000
-- Nothing is booked out for longer than a minute, so a limiter that is gone is as good as new.
local KEPT_MS = 61000
local seconds, nanos = tonumber(now[1]), tonumber(now[2]) * 1000

-- All differences are below 2^53, so they are whole numbers.
local before, after, dirty = {}, {}, {}
for i, key in ipairs(KEYS) do
    if before[key] == nil then
        local booked = 0
        local value = redis.pcall('GET', key)
        if value then
            local tag, s, n
            if type(value) == 'string' then
                tag, s, n = string.match(value, '^(%x+):(%d+):(%d+)$')
            end
            if tag ~= ARGV[4 * i - 3] then
                return {2, i}
            end
            booked = (tonumber(s) - seconds) * SECOND + tonumber(n) - nanos
            booked = math.max(0, math.min(MINUTE, booked))
        end
        local owed = tonumber(ARGV[4 * i])
        if owed > 0 then
            booked = math.min(MINUTE, booked + owed)
            dirty[key] = true
        end
        before[key], after[key] = booked, booked
    end
end

local charged, waits = true, {}
for i, key in ipairs(KEYS) do
    local limit, taken = tonumber(ARGV[4 * i - 2]), tonumber(ARGV[4 * i - 1])
    local each = math.floor(MINUTE / limit)
    local wait = after[key] + taken * each - limit * each
    if taken > 0 and wait > 0 then
        charged = false
        waits[i] = wait
    else
        waits[i] = 0
        after[key] = after[key] + taken * each
    end
end

local standing = charged and after or before
for key, booked in pairs(standing) do
    if booked ~= before[key] or dirty[key] then
        local tat = nanos + booked
        local tag
        for i, name in ipairs(KEYS) do
            if name == key then tag = ARGV[4 * i - 3] end
        end
        local value = string.format('%s:%.0f:%.0f', tag, seconds + math.floor(tat / SECOND), tat % SECOND)
        redis.call('SET', key, value, 'PX', KEPT_MS)
    end
end

local answer = {charged and 1 or 0}
for i, key in ipairs(KEYS) do
    answer[2 * i] = standing[key]
    answer[2 * i + 1] = waits[i]
end
return answer

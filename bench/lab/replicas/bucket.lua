-- A token bucket as a Redis has it, with one call for each request: KEYS[1] has a capacity of ARGV[1]
-- tokens, of which ARGV[2] come back each second. It returns 1 if a token was taken, and 0 if not.
local now = redis.call('TIME')
now = now[1] + now[2] / 1e6
local had = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local capacity, refill = tonumber(ARGV[1]), tonumber(ARGV[2])
local tokens = math.min(capacity, (tonumber(had[1]) or capacity) + (now - (tonumber(had[2]) or now)) * refill)
local allowed = 0
if tokens >= 1 then
	tokens, allowed = tokens - 1, 1
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], math.ceil((capacity - tokens) / refill) + 1)
return allowed

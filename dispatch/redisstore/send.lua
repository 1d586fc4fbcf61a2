#!lua
-- Puts letters into a box, all or none, in order. O(letters).
--
-- KEYS[1] box   stream, entry <milliseconds>-<number>, fields p (the letter before), b (the letter)
-- KEYS[2] last  string, id of the last letter ever put there
-- ARGV[1] area or server
-- ARGV[2] a number below 2^52 that nobody else uses: the letters count from it
-- ARGV[3] most letters that may lie in the box
-- ARGV[4] "refuse" when there is no room, or "forget" the oldest
-- ARGV[5] milliseconds the box lives when nobody looks into it; 0: for ever
-- ARGV[6..] the letters
--
-- Returns {area or server, number, verdict, forgotten}, all strings. Verdicts:
--   done  they are there, and so many of the oldest have been forgotten
--   full  they would not all fit; nothing was put there
--
-- Why: every letter names the one before it. Redis may come back from a fail-over
-- without the last letters and give their places to others; a reader who was past
-- them sees by the name that he has missed some. The number makes places unlike
-- those that were lost, even in the same millisecond. This script is not harmless
-- when repeated: it puts the letters there twice, so only the caller may do that.

local function whole(n) return string.format('%.0f', n) end

local limit, count = tonumber(ARGV[3]), #ARGV - 5
local before = redis.call('XLEN', KEYS[1])
if ARGV[4] == 'refuse' and before + count > limit then
  return {ARGV[1], ARGV[2], 'full', '0'}
end

local last = redis.call('GET', KEYS[2]) or ''
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local top = tonumber(string.match(last, '^(%d+)-') or '0')
if #newest > 0 then
  top = math.max(top, tonumber(string.match(newest[1][1], '^(%d+)-')))
end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local place = whole(math.max(now, top + 1)) .. '-'

for i = 1, count do
  local id = place .. whole(tonumber(ARGV[2]) + i)
  redis.call('XADD', KEYS[1], id, 'p', last, 'b', ARGV[5 + i])
  last = id
end
redis.call('SET', KEYS[2], last, 'KEEPTTL')

local forgotten = 0
if ARGV[4] == 'forget' then
  redis.call('XTRIM', KEYS[1], 'MAXLEN', '=', ARGV[3])
  forgotten = before + count - redis.call('XLEN', KEYS[1])
end
local life = tonumber(ARGV[5])
if life > 0 and (redis.call('PTTL', KEYS[1]) < 0 or redis.call('PTTL', KEYS[2]) < 0) then
  redis.call('PEXPIRE', KEYS[1], life)
  redis.call('PEXPIRE', KEYS[2], life)
end
return {ARGV[1], ARGV[2], 'done', whole(forgotten)}

#!lua
-- Keeps finished trips apart from what is loaded, and forgets old ones. O(trips).
--
-- KEYS[1] head     hash seq, epoch, writer, batch, snapshot, trimmed, archived
-- KEYS[2] archive  stream, entry <milliseconds>-<seq>, field t
-- ARGV[1] area
-- ARGV[2] sequence of the last trip's last fact
-- ARGV[3] epoch of the writer
-- ARGV[4] token of the writer
-- ARGV[5] how long a trip is kept, in milliseconds by this server's clock; 0: for ever
-- ARGV[6..] of each trip, in the order of their sequences: the moment and the
--           sequence of its last fact, and the trip
--
-- Returns {area, sequence, verdict, seq}; seq is that of the last trip that is in
-- the archive. Verdicts:
--   done    the trips are there, by this call or an earlier one
--   fenced  another writer has taken the area; nothing was written
--   behind  this server does not know the writer's epoch: it has lost data
--
-- Why: the head remembers how far the archive has come, so that a trip that is put
-- there twice is there once, also when it has been forgotten since. A stream's ids
-- only rise: a moment before that of the trip before it, after a clock went back,
-- is lifted to that.

local head = redis.call('HMGET', KEYS[1], 'epoch', 'writer', 'archived', 'archived_at')
local epoch = tonumber(head[1] or '0')
local writer = head[2] or ''
local seq = tonumber(head[3] or '0')
local latest = tonumber(head[4] or '0')
local mine = tonumber(ARGV[3])
local keep = tonumber(ARGV[5])

local function whole(n) return string.format('%.0f', n) end
local function answer(verdict) return {ARGV[1], ARGV[2], verdict, whole(seq)} end

if epoch > mine then return answer('fenced') end
if epoch < mine then return answer('behind') end
if writer ~= ARGV[4] then return answer('fenced') end

for i = 6, #ARGV, 3 do
  local n = tonumber(ARGV[i + 1])
  if n > seq then
    seq = n
    latest = math.max(latest, tonumber(ARGV[i]))
    redis.call('XADD', KEYS[2], whole(latest) .. '-' .. whole(seq), 't', ARGV[i + 2])
  end
end
redis.call('HSET', KEYS[1], 'archived', whole(seq), 'archived_at', whole(latest))
if keep > 0 then
  local clock = redis.call('TIME')
  local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
  redis.call('XTRIM', KEYS[2], 'MINID', '=', whole(math.max(now - keep, 0)) .. '-0')
end
return answer('done')

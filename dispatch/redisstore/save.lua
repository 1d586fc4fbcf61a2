#!lua
-- Keeps a snapshot and lets the journal forget the facts it holds.
--
-- KEYS[1] head      hash seq, epoch, batch, snapshot
-- KEYS[2] journal   stream, entry <seq>-0, field f
-- KEYS[3] snapshot  string
-- ARGV[1] area
-- ARGV[2] sequence of the last fact the snapshot holds
-- ARGV[3] epoch of the writer
-- ARGV[4] the snapshot
--
-- Returns {area, sequence, verdict, seq}; seq is the journal's last. Verdicts:
--   done    the snapshot is kept and the journal begins after it
--   fenced  another writer has taken the area; nothing was changed
--   behind  the journal has not come so far, or a later snapshot is there already
--
-- Why: snapshot, its sequence and the trimming are one step, so a reader that
-- finds the head naming the snapshot it has read knows that nothing in between
-- is missing.

local head = redis.call('HMGET', KEYS[1], 'seq', 'epoch', 'snapshot')
local seq = tonumber(head[1] or '0')
local epoch = tonumber(head[2] or '0')
local kept = tonumber(head[3] or '0')
local at = tonumber(ARGV[2])
local mine = tonumber(ARGV[3])

local function whole(n) return string.format('%.0f', n) end
local function answer(verdict) return {ARGV[1], ARGV[2], verdict, whole(seq)} end

if epoch > mine then return answer('fenced') end
if epoch < mine or at > seq or at < kept then return answer('behind') end

redis.call('SET', KEYS[3], ARGV[4])
redis.call('HSET', KEYS[1], 'snapshot', whole(at))
redis.call('XTRIM', KEYS[2], 'MINID', '=', whole(at + 1) .. '-0')
return answer('done')

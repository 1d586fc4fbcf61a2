#!lua
-- Keeps a snapshot and lets the journal forget the facts that the one before it holds.
--
-- KEYS[1] head      hash seq, epoch, writer, batch, snapshot, trimmed
-- KEYS[2] journal   stream, entry <seq>-0, field f
-- KEYS[3] snapshot  string
-- ARGV[1] area
-- ARGV[2] sequence of the last fact the snapshot holds
-- ARGV[3] epoch of the writer
-- ARGV[4] token of the writer
-- ARGV[5] the snapshot
--
-- Returns {area, sequence, verdict, seq}; seq is the journal's last. Verdicts:
--   done    the snapshot is kept and the journal begins after the one before it
--   fenced  another writer has taken the area; nothing was changed
--   behind  the journal has not come so far, or a later snapshot is there already
--
-- Why: snapshot, its sequence and the trimming are one step, so a reader that
-- finds the head naming the snapshot it has read knows that nothing in between
-- is missing. The facts between the last two snapshots stay for a reader who
-- follows without a lease: it is seldom so far back that it must begin anew.

local head = redis.call('HMGET', KEYS[1], 'seq', 'epoch', 'writer', 'snapshot', 'trimmed')
local seq = tonumber(head[1] or '0')
local epoch = tonumber(head[2] or '0')
local writer = head[3] or ''
local kept = tonumber(head[4] or '0')
local trimmed = tonumber(head[5] or head[4] or '0')
local at = tonumber(ARGV[2])
local mine = tonumber(ARGV[3])

local function whole(n) return string.format('%.0f', n) end
local function answer(verdict) return {ARGV[1], ARGV[2], verdict, whole(seq)} end

if epoch > mine then return answer('fenced') end
if epoch < mine then return answer('behind') end
if writer ~= ARGV[4] then return answer('fenced') end
if at > seq or at < kept then return answer('behind') end

if at > kept then trimmed = kept end
redis.call('SET', KEYS[3], ARGV[5])
redis.call('HSET', KEYS[1], 'snapshot', whole(at), 'trimmed', whole(trimmed))
redis.call('XTRIM', KEYS[2], 'MINID', '=', whole(trimmed + 1) .. '-0')
return answer('done')

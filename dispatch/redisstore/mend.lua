#!lua
-- Appends the facts that this server lost in a fail-over, under the epoch of the
-- writer who still knows them. O(facts).
--
-- KEYS[1] head     hash seq, epoch, writer, batch, snapshot, trimmed
-- KEYS[2] journal  stream, entry <seq>-0, field f
-- KEYS[3] lease    hash owner, token, epoch, until, node, next, next_until
-- ARGV[1] area
-- ARGV[2] batch id
-- ARGV[3] epoch of the writer
-- ARGV[4] token of the writer
-- ARGV[5] sequence that the journal was found to end at
-- ARGV[6] epoch that was found
-- ARGV[7] batch that was found
-- ARGV[8] 1 when the writer was found to be the one who asks
-- ARGV[9] name of the writer
-- ARGV[10] length of the lease in milliseconds
-- ARGV[11] the run of the server that the writer belongs to
-- ARGV[12..] the facts
--
-- Returns {area, batch id, verdict, seq}; seq is the journal's last. Verdicts:
--   done    the facts are written, and the server knows epoch and writer again
--   again   they were written by an earlier call with this batch id
--   fenced  another writer has a higher epoch, or the same from another history
--   behind  the journal is not as it was found; nothing was written
--
-- Why: what was found is compared, so that whoever wrote in between is not written
-- over. The lease is taken in the same step, or somebody would take the area before
-- the first renewal.

local head = redis.call('HMGET', KEYS[1], 'seq', 'epoch', 'writer', 'batch')
local seq = tonumber(head[1] or '0')
local epoch = math.max(tonumber(head[2] or '0'), tonumber(redis.call('HGET', KEYS[3], 'epoch') or '0'))
local known = tonumber(head[2] or '0')
local writer = head[3] or ''
local batch = head[4] or ''
local mine = tonumber(ARGV[3])
local found = tonumber(ARGV[5])
local count = #ARGV - 11

local function whole(n) return string.format('%.0f', n) end
local function answer(verdict) return {ARGV[1], ARGV[2], verdict, whole(seq)} end

if epoch > mine then return answer('fenced') end
if known == mine and writer ~= ARGV[4] then return answer('fenced') end

local verdict = 'again'
if known ~= mine or batch ~= ARGV[2] or seq ~= found + count then
  verdict = 'done'
  if seq ~= found or known ~= tonumber(ARGV[6]) or batch ~= ARGV[7] or (writer == ARGV[4]) ~= (ARGV[8] == '1') then
    return answer('behind')
  end
  for i = 1, count do
    redis.call('XADD', KEYS[2], whole(found + i) .. '-0', 'f', ARGV[11 + i])
  end
  seq = found + count
end
redis.call('HSET', KEYS[1], 'seq', whole(seq), 'epoch', whole(mine), 'writer', ARGV[4], 'batch', ARGV[2])

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
redis.call('HSET', KEYS[3], 'owner', ARGV[9], 'token', ARGV[4], 'epoch', whole(mine), 'until', whole(now + tonumber(ARGV[10])),
  'node', ARGV[11], 'next', '', 'next_until', '0')
return answer(verdict)

#!lua
-- Puts the state of a writer in the place of what this server has, which lost more
-- in a fail-over than the writer keeps as facts.
--
-- KEYS[1] head      hash seq, epoch, writer, batch, snapshot, trimmed
-- KEYS[2] journal   stream, entry <seq>-0, field f
-- KEYS[3] lease     hash owner, token, epoch, until, node, next, next_until
-- KEYS[4] snapshot  string
-- ARGV[1] area
-- ARGV[2] sequence of the last fact the snapshot holds
-- ARGV[3] epoch of the writer
-- ARGV[4] token of the writer
-- ARGV[5] sequence that the journal was found to end at
-- ARGV[6] epoch that was found
-- ARGV[7] batch that was found
-- ARGV[8] 1 when the writer was found to be the one who asks
-- ARGV[9] name of the writer
-- ARGV[10] length of the lease in milliseconds
-- ARGV[11] the run of the server that the writer belongs to
-- ARGV[12] the snapshot
--
-- Returns {area, sequence, verdict, seq}; seq is the journal's last. Verdicts:
--   done    the snapshot is everything now, and the journal goes on after it
--   again   an earlier call did the same
--   fenced  another writer has a higher epoch, or the same from another history
--   behind  the journal is not as it was found, or goes beyond the snapshot
--
-- Why: see mend.lua.

local head = redis.call('HMGET', KEYS[1], 'seq', 'epoch', 'writer', 'batch', 'snapshot')
local seq = tonumber(head[1] or '0')
local epoch = math.max(tonumber(head[2] or '0'), tonumber(redis.call('HGET', KEYS[3], 'epoch') or '0'))
local known = tonumber(head[2] or '0')
local writer = head[3] or ''
local batch = head[4] or ''
local kept = tonumber(head[5] or '0')
local at = tonumber(ARGV[2])
local mine = tonumber(ARGV[3])
local found = tonumber(ARGV[5])

local function whole(n) return string.format('%.0f', n) end
local function answer(verdict) return {ARGV[1], ARGV[2], verdict, whole(seq)} end

if epoch > mine then return answer('fenced') end
if known == mine and writer ~= ARGV[4] then return answer('fenced') end

local verdict = 'again'
if known ~= mine or batch ~= '' or seq ~= at or kept ~= at then
  verdict = 'done'
  if seq ~= found or known ~= tonumber(ARGV[6]) or batch ~= ARGV[7] or (writer == ARGV[4]) ~= (ARGV[8] == '1') or seq > at then
    return answer('behind')
  end
end
seq = at
redis.call('SET', KEYS[4], ARGV[12])
redis.call('XTRIM', KEYS[2], 'MINID', '=', whole(at + 1) .. '-0')
redis.call('HSET', KEYS[1], 'seq', whole(at), 'epoch', whole(mine), 'writer', ARGV[4], 'batch', '',
  'snapshot', whole(at), 'trimmed', whole(at))

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
redis.call('HSET', KEYS[3], 'owner', ARGV[9], 'token', ARGV[4], 'epoch', whole(mine), 'until', whole(now + tonumber(ARGV[10])),
  'node', ARGV[11], 'next', '', 'next_until', '0')
return answer(verdict)

#!lua
-- Records a batch of facts, all or none. O(facts).
--
-- KEYS[1] head     hash seq, epoch, writer, batch, snapshot, trimmed
-- KEYS[2] journal  stream, entry <seq>-0, field f
-- ARGV[1] area
-- ARGV[2] batch id
-- ARGV[3] epoch of the writer
-- ARGV[4] token of the writer
-- ARGV[5] sequence of the fact that the batch comes after
-- ARGV[6..] the facts
--
-- Returns {area, batch id, verdict, seq}; seq is the journal's last. Verdicts:
--   done    the facts are written
--   again   they were written by an earlier call with this batch id
--   fenced  another writer has taken the area; nothing was written
--   behind  the journal ends elsewhere; nothing was written
--
-- Why: a writer whose reply was lost calls again with the same id, and so does one
-- who waits for replicas. The epoch is asked for first, so that a writer who was
-- shut out hears of it whatever else is wrong; the writer too, since a server that
-- lost its tail may have given the same epoch to two. 'again' writes what is there
-- already, so that a WAIT behind it surely waits for the facts. Entry ids are the
-- sequences, so the stream itself refuses to go back. Redis runs the script to the
-- end or not at all and writes it to its file as one transaction.

local head = redis.call('HMGET', KEYS[1], 'seq', 'epoch', 'batch', 'writer')
local seq = tonumber(head[1] or '0')
local epoch = tonumber(head[2] or '0')
local batch = head[3] or ''
local writer = head[4] or ''
local mine = tonumber(ARGV[3])
local after = tonumber(ARGV[5])
local count = #ARGV - 5

local function whole(n) return string.format('%.0f', n) end
local function answer(verdict) return {ARGV[1], ARGV[2], verdict, whole(seq)} end

if epoch > mine then return answer('fenced') end
if epoch < mine then return answer('behind') end
if writer ~= ARGV[4] then return answer('fenced') end
if batch == ARGV[2] and seq == after + count then
  redis.call('HSET', KEYS[1], 'batch', batch)
  return answer('again')
end
if seq ~= after then return answer('behind') end

for i = 1, count do
  redis.call('XADD', KEYS[2], whole(after + i) .. '-0', 'f', ARGV[5 + i])
end
seq = after + count
redis.call('HSET', KEYS[1], 'seq', whole(seq), 'batch', ARGV[2])
return answer('done')

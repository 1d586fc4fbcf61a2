#!lua flags=no-writes
-- Reads one page of the journal together with the head it belongs to.
--
-- KEYS[1] head     hash seq, epoch, writer, batch, snapshot, trimmed
-- KEYS[2] journal  stream, entry <seq>-0, field f
-- ARGV[1] area
-- ARGV[2] sequence of the first fact wanted
-- ARGV[3] most facts to return
--
-- Returns {area, first sequence, seq, snapshot, trimmed, id, fact, id, fact, ...}:
-- the journal's last sequence, that of the snapshot, that of the last fact it has
-- forgotten, and the entries found.
--
-- Why a script: page and head are of one moment, so that the reader can tell a
-- snapshot saved meanwhile from a fact that is missing.

local head = redis.call('HMGET', KEYS[1], 'seq', 'snapshot', 'trimmed')
local page = {ARGV[1], ARGV[2], head[1] or '0', head[2] or '0', head[3] or head[2] or '0'}
local entries = redis.call('XRANGE', KEYS[2], ARGV[2] .. '-0', '+', 'COUNT', ARGV[3])
for _, entry in ipairs(entries) do
  page[#page + 1] = entry[1]
  page[#page + 1] = entry[2][2]
end
return page

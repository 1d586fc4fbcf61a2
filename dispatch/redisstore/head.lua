#!lua flags=no-writes
-- Reads where the journal of an area ends.
--
-- KEYS[1] head  hash seq, epoch, writer, batch, snapshot, trimmed
-- ARGV[1] area
-- ARGV[2] token of the reader
--
-- Returns {area, token, seq, epoch, writer, batch, snapshot}.

local head = redis.call('HMGET', KEYS[1], 'seq', 'epoch', 'writer', 'batch', 'snapshot')
return {ARGV[1], ARGV[2], head[1] or '0', head[2] or '0', head[3] or '', head[4] or '', head[5] or '0'}

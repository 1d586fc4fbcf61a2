#!lua flags=no-writes
-- Reads the snapshot of an area.
--
-- KEYS[1] snapshot  string
-- ARGV[1] area
-- ARGV[2] token of the reader
--
-- Returns {area, token, snapshot}; an empty snapshot means there is none.
--
-- Why a script and not GET: the reply says whose it is.

return {ARGV[1], ARGV[2], redis.call('GET', KEYS[1]) or ''}

#!lua
-- Gives the right to write an area up, so that the next writer need not wait.
--
-- KEYS[1] lease  hash owner, token, epoch, until
-- KEYS[2] head   hash seq, epoch, batch, snapshot
-- ARGV[1] area
-- ARGV[2] token of the writer
-- ARGV[3] epoch of the writer
--
-- Returns {area, token, verdict}. Verdicts:
--   released  nobody holds the lease now; the epoch stays, to be counted on from
--   fenced    another writer has the area; nothing was changed

local held = redis.call('HGET', KEYS[1], 'epoch')
local known = redis.call('HGET', KEYS[2], 'epoch')
local epoch = math.max(tonumber(held or '0'), tonumber(known or '0'))

if epoch > tonumber(ARGV[3]) then return {ARGV[1], ARGV[2], 'fenced'} end

redis.call('HSET', KEYS[1], 'owner', '', 'token', '', 'epoch', ARGV[3], 'until', '0')
return {ARGV[1], ARGV[2], 'released'}

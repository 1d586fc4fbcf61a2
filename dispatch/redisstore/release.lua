#!lua
-- Gives the right to write an area up, so that the next writer need not wait.
--
-- KEYS[1] lease  hash owner, token, epoch, until, node, next, next_until
-- KEYS[2] head   hash seq, epoch, writer, batch, snapshot, trimmed
-- ARGV[1] area
-- ARGV[2] token of the writer
-- ARGV[3] epoch of the writer
-- ARGV[4] the same token again, where the other scripts have it
-- ARGV[5] the run of the server that alone may take it for a moment; empty: anybody
-- ARGV[6] that moment in milliseconds
--
-- Returns {area, token, verdict}. Verdicts:
--   released  nobody holds the lease now; the epoch stays, to be counted on from
--   fenced    another writer has the area; nothing was changed

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local held = redis.call('HGET', KEYS[1], 'epoch')
local head = redis.call('HMGET', KEYS[2], 'epoch', 'writer')
local epoch = math.max(tonumber(held or '0'), tonumber(head[1] or '0'))
local writer = head[2] or ARGV[4]
local mine = tonumber(ARGV[3])

local function answer(verdict) return {ARGV[1], ARGV[2], verdict} end

if epoch > mine then return answer('fenced') end
if epoch == mine and writer ~= ARGV[4] then return answer('fenced') end

local till = '0'
if ARGV[5] ~= '' then till = string.format('%.0f', now + tonumber(ARGV[6])) end
redis.call('HSET', KEYS[1], 'owner', '', 'token', '', 'epoch', ARGV[3], 'until', '0',
  'node', '', 'next', ARGV[5], 'next_until', till)
return answer('released')

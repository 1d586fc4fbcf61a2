#!lua
-- Takes or renews the right to write an area.
--
-- KEYS[1] lease  hash owner, token, epoch, until, node, next, next_until
-- KEYS[2] head   hash seq, epoch, writer, batch, snapshot, trimmed
-- ARGV[1] area
-- ARGV[2] token of the asking writer, new for every writer
-- ARGV[3] its name: the newest writer of a name shuts out the older ones
-- ARGV[4] the same token again, where the other scripts have it
-- ARGV[5] epoch the writer holds, 0 when it asks for the first time
-- ARGV[6] highest epoch the writer has ever held
-- ARGV[7] sequence of the last fact the writer knows to be recorded
-- ARGV[8] length of the lease in milliseconds
-- ARGV[9] the run of the server that the writer belongs to
--
-- Returns {area, token, verdict, epoch, owner, until}, all strings. Verdicts:
--   taken     the epoch is new and the writer's own
--   kept      the writer had it already; the lease is longer now
--   held      another name's lease runs until then
--   reserved  the area is being handed to the server named as owner, until then
--   fenced    another writer has taken the area since
--   behind    this server knows less than the writer: it has lost data
--
-- Why: the epoch is kept in the head too, where append and save compare it, so
-- that deleting the lease by hand never lets the count start again. The end is
-- compared with the server's own clock, and the key has no time to live: an
-- epoch must not be forgotten because nobody came. A first call that is repeated
-- because its reply was lost finds its own token and keeps the epoch; it writes
-- the lease again, so that a WAIT behind it surely waits for what the first wrote.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local lease = redis.call('HMGET', KEYS[1], 'owner', 'token', 'epoch', 'until', 'next', 'next_until')
local owner = lease[1] or ''
local token = lease[2] or ''
local ends = tonumber(lease[4] or '0')
local next = lease[5] or ''
local reserved = tonumber(lease[6] or '0')
local head = redis.call('HMGET', KEYS[2], 'epoch', 'writer', 'seq')
local known = tonumber(head[1] or '0')
local writer = head[2] or ''
local seq = tonumber(head[3] or '0')
local epoch = math.max(tonumber(lease[3] or '0'), known)
local mine = tonumber(ARGV[5])

local function whole(n) return string.format('%.0f', n) end
local function answer(verdict)
  return {ARGV[1], ARGV[2], verdict, whole(epoch), owner, whole(ends)}
end

local verdict = 'kept'
if mine > 0 then
  if epoch > mine then return answer('fenced') end
  if known < mine then return answer('behind') end
  if writer ~= ARGV[4] then return answer('fenced') end
  if seq < tonumber(ARGV[7]) then return answer('behind') end
elseif token ~= ARGV[2] or writer ~= ARGV[2] then
  if owner ~= '' and owner ~= ARGV[3] and ends > now then return answer('held') end
  if next ~= '' and next ~= ARGV[9] and reserved > now then
    owner = next
    ends = reserved
    return answer('reserved')
  end
  epoch = math.max(epoch, tonumber(ARGV[6])) + 1
  verdict = 'taken'
end

owner = ARGV[3]
ends = now + tonumber(ARGV[8])
redis.call('HSET', KEYS[1], 'owner', owner, 'token', ARGV[2], 'epoch', whole(epoch), 'until', whole(ends),
  'node', ARGV[9], 'next', '', 'next_until', '0')
if verdict == 'taken' then
  -- The last batch is forgotten: its id means nothing to a new writer, who may use it again.
  redis.call('HSET', KEYS[2], 'epoch', whole(epoch), 'writer', ARGV[2], 'batch', '')
end
return answer(verdict)

#!lua flags=allow-oom
-- Tells that a server lives, and reads who else does.
--
-- KEYS[1] nodes  hash node id -> "<when heard of, in milliseconds> <the peer as JSON>"
-- ARGV[1] "nodes"
-- ARGV[2] a word of the question
-- ARGV[3] id of the server
-- ARGV[4] the server as JSON
-- ARGV[5] milliseconds within which one was heard of who lives
-- ARGV[6] milliseconds after which one is taken off the list
--
-- Returns {"nodes", word, now in microseconds, entry, entry …}, all strings; an
-- entry is a value of the hash, and self is among them.
--
-- Why: the clock of Redis judges, so that servers whose clocks differ agree on who
-- lives. After a fail-over that clock may have gone back; an entry from the future
-- is as dead as one from the past until its server is heard of again. A full memory
-- must not make servers look dead, hence allow-oom.

local clock = redis.call('TIME')
local micros = clock[1] .. string.format('%06d', tonumber(clock[2]))
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local fresh, old = tonumber(ARGV[5]), tonumber(ARGV[6])

redis.call('HSET', KEYS[1], ARGV[3], string.format('%.0f', now) .. ' ' .. ARGV[4])

local answer = {ARGV[1], ARGV[2], micros}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local seen = tonumber(string.match(all[i + 1], '^(%d+) ') or '0')
  local age = math.abs(now - seen)
  if age <= fresh then
    answer[#answer + 1] = all[i + 1]
  elseif age > old then
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return answer

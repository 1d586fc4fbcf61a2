#!lua flags=allow-oom
-- Reads the letters of a box after a given one.
--
-- KEYS[1] box   stream, entry <milliseconds>-<number>, fields p (the letter before), b (the letter)
-- KEYS[2] last  string, id of the last letter ever put there
-- ARGV[1] area or server
-- ARGV[2] a word of the question
-- ARGV[3] id of the last letter the reader has; empty: none
-- ARGV[4] most letters to return
-- ARGV[5] bytes after which no further letter is returned
-- ARGV[6] milliseconds the box lives from now on; 0: for ever, and nothing is changed
--
-- Returns {area or server, word, verdict, last, id, letter, id, letter …}. Verdicts:
--   next   the letters follow the one given
--   again  the box does not know the one given; the letters are the oldest it has
--
-- Why: after a fail-over the box may end before the letter the reader has, and go
-- on from there with others. The first letter then names another one before it, or
-- none comes and the last is another. From the oldest again: some come twice, none is
-- missed. A box with a life is read by its owner alone, so what he has is let go.

local after = ARGV[3]
local most, bytes, life = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local last = redis.call('GET', KEYS[2]) or ''

local verdict, from = 'next', '-'
if after ~= '' then
  from = '(' .. after
  local first = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1)
  local before = last
  if #first > 0 then before = first[1][2][2] end
  if before ~= after then
    verdict, from = 'again', '-'
  elseif life > 0 then
    redis.call('XTRIM', KEYS[1], 'MINID', '=', after)
  end
end
if life > 0 then
  redis.call('PEXPIRE', KEYS[1], life)
  redis.call('PEXPIRE', KEYS[2], life)
end

local answer = {ARGV[1], ARGV[2], verdict, last}
local size = 0
while most > 0 and size < bytes do
  local some = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', math.min(most, 16))
  for _, entry in ipairs(some) do
    answer[#answer + 1] = entry[1]
    answer[#answer + 1] = entry[2][4]
    size = size + #entry[2][4]
    from = '(' .. entry[1]
    most = most - 1
    if size >= bytes then break end
  end
  if #some == 0 then break end
end
return answer

#!lua flags=allow-oom
-- Forgets the letters of a box up to and including one.
--
-- KEYS[1] box  stream, entry <milliseconds>-<number>
-- ARGV[1] area
-- ARGV[2] id of the letter
-- ARGV[3] the first id after it
--
-- Returns {area, id, verdict, how many}. Verdicts:
--   done     they are gone
--   unknown  no such letter is there; nothing was forgotten
--
-- Why: a letter that is not there was forgotten before, or lost in a fail-over; in
-- the second case letters with smaller ids may have come that nobody has read yet.

if #redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2]) == 0 then
  return {ARGV[1], ARGV[2], 'unknown', '0'}
end
local gone = redis.call('XTRIM', KEYS[1], 'MINID', '=', ARGV[3])
return {ARGV[1], ARGV[2], 'done', string.format('%.0f', gone)}

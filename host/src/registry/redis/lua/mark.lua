-- Waiting marks: for a moment only transactions with priority may change these ids.
--
--   ARGV[3]   lease in milliseconds
--   ARGV[4…]  ids

if not in_marks(epoch) then
  return foreign('marks')
end
local now, list = milliseconds(), {}
local deadline = now + tonumber(ARGV[3])
for index = 4, #ARGV do
  list[#list + 1] = deadline
  list[#list + 1] = ARGV[index]
end
call('ZREMRANGEBYSCORE', key('marks'), '-inf', now)
write('ZADD', key('marks'), list)
return answer()

-- What `sop doctor` asks of a server, master or not. Stands alone: nothing goes before it.
--
--   KEYS[1]  the root of the database
--   ARGV[3]  `look` = what the server says about itself; `try` = which commands of the scripts it refuses; else nothing
--   answer   look: INFO of server, replication, memory, persistence and stats, or what was answered instead
--            try:  for each refused command a line that says why

local name = string.sub(KEYS[1], 1, -6) .. 'doctor'

local function pcall_text(...)
  local answer = redis.pcall(...)
  return type(answer) == 'table' and answer.err or answer
end

if ARGV[3] == 'look' then
  local reply = { 'ok' }
  for _, section in ipairs({ 'server', 'replication', 'memory', 'persistence', 'stats' }) do
    reply[#reply + 1] = pcall_text('INFO', section)
  end
  return reply
elseif ARGV[3] ~= 'try' then
  return { 'ok' }
end

-- Each on a key of this database that nobody reads, gone before the script ends.
local tried = {
  { 'UNLINK', name },
  { 'HSET', name, 'a', 1, 'b', 2 }, { 'HGET', name, 'a' }, { 'HMGET', name, 'a', 'b' }, { 'HGETALL', name },
  { 'HKEYS', name }, { 'HLEN', name }, { 'HSCAN', name, 0 }, { 'HEXISTS', name, 'a' }, { 'HINCRBY', name, 'a', 1 }, { 'HDEL', name, 'a' },
  { 'UNLINK', name },
  { 'ZADD', name, 0, 'a' }, { 'ZSCORE', name, 'a' }, { 'ZMSCORE', name, 'a' }, { 'ZCARD', name },
  { 'ZRANGEBYLEX', name, '-', '+' }, { 'ZREVRANGEBYLEX', name, '+', '-', 'LIMIT', 0, 1 },
  { 'ZREMRANGEBYLEX', name, '[b', '[c' }, { 'ZREMRANGEBYSCORE', name, 1, 2 }, { 'ZREM', name, 'a' },
  { 'UNLINK', name },
  { 'RPUSH', name, 'a' }, { 'LINDEX', name, 0 }, { 'LRANGE', name, 0, 1 }, { 'LSET', name, 0, 'b' },
  { 'LTRIM', name, 0, 1 },
  { 'UNLINK', name },
  { 'SADD', name, 'a' }, { 'SRANDMEMBER', name, 2 }, { 'SREM', name, 'a' }, { 'EXISTS', name },
  { 'UNLINK', name },
  { 'INFO', 'server' }, { 'TIME' },
}
local reply, known = { 'ok' }, {}
for _, command in ipairs(tried) do
  local answer = redis.pcall(unpack(command))
  if type(answer) == 'table' and answer.err and not known[command[1]] then
    known[command[1]] = true
    reply[#reply + 1] = command[1] .. ': ' .. answer.err
  end
end
return reply

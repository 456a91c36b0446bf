-- How the server is set up.
--
--   answer   version, bytes of memory allowed (0 = any number), bytes used, what happens beyond, append-only file (0, 1),
--            replicas, whether it belongs to a cluster (0, 1)

local server, memory, persistence = call('INFO', 'server'), call('INFO', 'memory'), call('INFO', 'persistence')
return {
  'ok',
  string.match(server, 'redis_version:([%w.-]+)') or '?',
  tonumber(string.match(memory, 'maxmemory:(%d+)') or 0),
  tonumber(string.match(memory, 'used_memory:(%d+)') or 0),
  string.match(memory, 'maxmemory_policy:([%w-]+)') or '?',
  tonumber(string.match(persistence, 'aof_enabled:(%d)') or 0),
  tonumber(string.match(replication, 'connected_slaves:(%d+)') or 0),
  string.match(server, 'redis_mode:(%a+)') == 'cluster' and 1 or 0,
}

-- Whether the server may throw keys away when its memory is full.
--
--   answer   bytes of memory allowed (0 = any number), what happens beyond

local memory = call('INFO', 'memory')
return { 'ok', tonumber(string.match(memory, 'maxmemory:(%d+)')), string.match(memory, 'maxmemory_policy:([%w-]+)') }

-- Step 4 of a commit: flips the handles of a reservation whose segment is durable, gives out versions, ends the
-- intents. Repeatable: a ticket that was published answers what it came to.
--
--   ARGV[3]    ticket
--   ARGV[4…7]  retention in milliseconds, bytes of history, how long the lowest snapshot holds, steps of pruning
--   ARGV[8]    how many publications are remembered
--   ARGV[9]    most changed ids that are listed; as many changes are in the feed
--   ARGV[10]   how many ids
--   ARGV[11…]  the ids, each once; then one string for each publication:
--              transaction 16 | flips 4 | (id 4, kind 1, …)… where the id is its number from 1
--              0 put: place 24   1 delta: place 24   2 add: amount 8   3 remove
--              4 relocate: version 5 (all ones = any, all ones but the last = none), from 2 + 24 each, to 2 + 24 each
--   answer     'new', 'before' or 'none'; then for each publication its version and a string for each flip:
--              'new': the handle for a delta, else empty; 'before': the handle, empty = none;
--              after 'new' also the period, tickets since it began, its age in milliseconds, fields of the handles

local PUT, DELTA, ADD, REMOVE, RELOCATE = 0, 1, 2, 3, 4
local ticket, count = ARGV[3], tonumber(ARGV[10])
local changed_max = tonumber(ARGV[9])
local first_publication = 11 + count

local broken = unstamped('intents', 'reservations', 'claims', 'feed', 'published', 'snapshots')
if broken then
  return foreign(broken)
end
if not in_past(epoch) or not in_queue(epoch) then
  return foreign('past or queue')
end
local records = fetch('handles', 11, count)
if not records then
  return foreign('handles')
end

-- Calls back with each flip of a publication: number of the id, kind, position of what follows.
local function each(publication, visit)
  local flips, position = parse('>I4', publication, 17)
  for _ = 1, flips do
    local id, kind, start = parse('>I4B', publication, position)
    if kind == PUT or kind == DELTA then
      position = start + 24
    elseif kind == ADD then
      position = start + 8
    elseif kind == REMOVE then
      position = start
    else
      local from = parse('>I2', publication, start + 5)
      local to = parse('>I2', publication, start + 7 + 24 * from)
      position = start + 9 + 24 * (from + to)
    end
    visit(id, kind, start)
  end
end

local reserved = call('HGET', key('reservations'), 't' .. ticket)
if not reserved then
  local versions = call('HGET', key('published'), ticket)
  local reply = answer()
  reply[5] = versions and 'before' or 'none'
  if versions then
    for number = 1, math.min(#versions / 5, #ARGV - first_publication + 1) do
      local came = sub(versions, number * 5 - 4, number * 5)
      local found = { (parse('>I5', came)) }
      each(ARGV[first_publication + number - 1], function(id)
        local record = records[id + 1]
        if record and sub(record, 1, 5) == came then
          record = sub(record, 1, -7)
        else
          record = past_of(ARGV[10 + id], found[1])
        end
        local kind = record and sub(record, 1, 5) == came and kind_of(record)
        found[#found + 1] = (kind and kind ~= REMOVED and kind ~= COUNTER) and record or ''
      end)
      reply[#reply + 1] = found
    end
  end
  return reply
end

-- All checks: what is flipped was reserved, and each flip fits what the id is. What was decoded is kept for the flips.
local ids = claimed(ticket)
local is_reserved, last_flip, refusal = {}, {}, nil
local flip_ids, flip_kinds, flip_starts, ends, moves = {}, {}, {}, {}, {}
for _, id in ipairs(ids) do
  is_reserved[id] = true
end
local total, number = 0, first_publication
local function check(id, kind, start)
  local record = records[id + 1]
  local now_is = record and kind_of(record)
  local chain = now_is and now_is ~= REMOVED and now_is ~= COUNTER
  if not is_reserved[ARGV[10 + id]] then
    refusal = 'an id was not reserved'
  elseif (kind == DELTA and not chain) or (kind == ADD and chain) or (kind == PUT and now_is == COUNTER) then
    refusal = 'a flip does not fit what its id is'
  elseif kind ~= RELOCATE then
    if last_flip[id] == number then
      refusal = 'an id flips twice in one transaction'
    end
    last_flip[id] = number
    moves[number] = false
  end
  total = total + 1
  flip_ids[total], flip_kinds[total], flip_starts[total] = id, kind, start
end
while number <= #ARGV do
  moves[number] = true
  each(ARGV[number], check)
  ends[number] = total
  number = number + 1
end
if refusal then
  return { 'invalid', refusal }
end

-- Writes from here on.
local now = milliseconds()
local ticket_number = parse('>I6', ticket)
local past, queue, dirty = {}, {}, {}

local function flush_past()
  write('ZADD', key('past'), past)
  past = {}
end

-- The sum of two numbers of 64 bits, at most and at least the highest and the lowest.
local function sum(a, b)
  local a_high, a_low = parse('>i4I4', a)
  local b_high, b_low = parse('>i4I4', b)
  local low, high = a_low + b_low, a_high + b_high
  if low >= 4294967296 then
    low, high = low - 4294967296, high + 1
  end
  if high > 2147483647 then
    return '\127' .. string.rep('\255', 7)
  elseif high < -2147483648 then
    return '\128' .. string.rep('\0', 7)
  end
  return pack('>i4I4', high, low)
end

-- Bytes that the old state keeps alive although the new one superseded it.
local function weight(old, new)
  local length = byte(old, 6) * 256 + byte(old, 7)
  if length == REMOVED or length == COUNTER then
    return 64
  end
  local chain, new_length = sub(old, 8, 7 + 24 * length), byte(new, 1) * 256 + byte(new, 2)
  if new_length ~= COUNTER and new_length >= length and sub(new, 3, 2 + #chain) == chain then
    return 64
  end
  local total = 64
  for position = 21, #chain, 24 do
    total = total + parse('>I4', chain, position)
  end
  return total
end

local function relocate(id, publication, start)
  local from = parse('>I2', publication, start + 5)
  local to_start = start + 7 + 24 * from
  local to = parse('>I2', publication, to_start)
  local which = sub(publication, start, start + 4)
  local old = sub(publication, start + 5, to_start - 1)
  local new = sub(publication, to_start, to_start + 1 + 24 * to)
  if from == 0 then
    return
  end
  local any, record, name = which == '\255\255\255\255\255', records[id + 1], ARGV[10 + id]
  if record and sub(record, 6, -7) == old and (any or sub(record, 1, 5) == which) then
    records[id + 1] = sub(record, 1, 5) .. new .. sub(record, -6)
    dirty[id] = true
  end
  flush_past()
  local members = { name .. which .. old }
  if any then
    members = call('ZRANGEBYLEX', key('past'), '[' .. name, '[' .. name .. which)
  end
  for _, member in ipairs(members) do
    if sub(member, 22) == old and call('ZREM', key('past'), member) == 1 then
      call('ZADD', key('past'), 0, sub(member, 1, 21) .. new)
    end
  end
end

local function flip(id, kind, publication, start, came)
  local record, body = records[id + 1], nil
  if kind == PUT then
    body = '\0\1' .. sub(publication, start, start + 23)
  elseif kind == DELTA then
    body = pack('>I2', kind_of(record) + 1) .. sub(record, 8, -7) .. sub(publication, start, start + 23)
  elseif kind == ADD then
    local amount = sub(publication, start, start + 7)
    if record and kind_of(record) == COUNTER then
      amount = sum(sub(record, 8, 15), amount)
    end
    body = '\255\255' .. amount
  else
    body = '\0\0'
  end
  local writer = ticket
  if record then
    if parse('>I6', record, #record - 5) > ticket_number then
      writer = sub(record, -6)
    end
    local size = weight(record, body)
    bytes = bytes + size
    past[#past + 1] = 0
    past[#past + 1] = ARGV[10 + id] .. sub(record, 1, -7)
    queue[#queue + 1] = came .. pack('>I6I6B', now, size, kind == REMOVE and 1 or 0) .. ARGV[10 + id]
  end
  records[id + 1] = came .. body .. writer
  dirty[id] = true
  return kind == DELTA and came .. body or ''
end

local counts = call('HMGET', root, 'outcomes', 'tickets', 'forgotten')
local outcomes, tickets, forgotten = tonumber(counts[1]), tonumber(counts[2]), tonumber(counts[3])
local remembered_max = tonumber(ARGV[8])
local reply, came_to = answer(), {}
reply[5] = 'new'
local done = 0
for number = first_publication, #ARGV do
  local publication = ARGV[number]
  if not moves[number] then
    version = version + 1
  end
  local came, found, changed = pack('>I5', version), { version }, {}
  local flips = ends[number] - done
  for index = 1, flips do
    local id, kind = flip_ids[done + index], flip_kinds[done + index]
    local handle = ''
    if kind == RELOCATE then
      relocate(id, publication, flip_starts[done + index])
    else
      handle = flip(id, kind, publication, flip_starts[done + index], came)
    end
    found[index + 1] = handle
    if flips <= changed_max then
      changed[index] = ARGV[10 + id]
    end
  end
  done = ends[number]
  if not moves[number] then
    -- Without ids: too many.
    call('HSET', key('feed'), version % changed_max, came .. table.concat(changed))
  end
  -- A ring of the newest: the slot of the oldest is taken over.
  local transaction = sub(publication, 1, 16)
  if call('HSET', key('published'), transaction, came) == 1 then
    local slot = 'o' .. outcomes % remembered_max
    local oldest = call('HGET', key('published'), slot)
    if oldest then
      call('HDEL', key('published'), oldest)
    end
    call('HSET', key('published'), slot, transaction)
    outcomes = outcomes + 1
  end
  came_to[#came_to + 1] = came
  reply[#reply + 1] = found
end

flush_past()
write('RPUSH', key('queue'), queue)
local values = {}
for id in pairs(dirty) do
  values[#values + 1] = ARGV[10 + id]
  values[#values + 1] = records[id + 1]
end
write('HSET', key('handles'), values)

local slot = 't' .. tickets % remembered_max
local oldest = call('HGET', key('published'), slot)
if oldest then
  call('HDEL', key('published'), oldest)
  forgotten = math.max(forgotten, (parse('>I6', oldest)))
end
call('HSET', key('published'), slot, ticket, ticket, table.concat(came_to))
finish(ticket, sub(reserved, 1, 16), ids)
prune(now, tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]) + #queue)
call('HSET', root, 'version', version, 'floor', floor, 'releases', releases,
  'bytes', string.format('%.0f', bytes), 'outcomes', outcomes, 'tickets', tickets + 1,
  'forgotten', string.format('%.0f', forgotten))
reply[2], reply[3], reply[4] = version, floor, releases
reply[#reply + 1] = { period, next_ticket - period_ticket, math.max(now - period_since, 0),
  call('HLEN', key('handles')) }
return reply

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
--   answer     'new', 'before' or 'none'; then for each publication its version and, for some flips, number from 0 and
--              handle: 'new' for the deltas, 'before' for all that still have one;
--              after 'new' also the period, tickets since it began, its age in milliseconds, fields of the handles

local PUT, DELTA, ADD, REMOVE = 0, 1, 2, 3
local ticket, count = ARGV[3], tonumber(ARGV[10])
local changed_max = tonumber(ARGV[9])
local first_publication = 11 + count

local broken = unstamped('intents', 'claims', 'feed', 'published', 'snapshots')
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
local standing = call('HMGET', key('reservations'), '', 't' .. ticket)
if standing[1] ~= stamp then
  return foreign('reservations')
end
local reserved = standing[2]

-- Where a flip ends whose kind lies before `start`.
local function flip_end(publication, kind, start)
  if kind == PUT or kind == DELTA then
    return start + 24
  elseif kind == ADD then
    return start + 8
  elseif kind == REMOVE then
    return start
  end
  local from = parse('>I2', publication, start + 5)
  local to = parse('>I2', publication, start + 7 + 24 * from)
  return start + 9 + 24 * (from + to)
end

if not reserved then
  local versions = call('HGET', key('published'), ticket)
  local reply = answer()
  reply[5] = versions and 'before' or 'none'
  if versions then
    for number = 1, math.min(#versions / 5, #ARGV - first_publication + 1) do
      local came, publication = sub(versions, number * 5 - 4, number * 5), ARGV[first_publication + number - 1]
      local found = { (parse('>I5', came)) }
      local flips, position = parse('>I4', publication, 17)
      for index = 0, flips - 1 do
        local id, kind, start = parse('>I4B', publication, position)
        position = flip_end(publication, kind, start)
        local record = records[id + 1]
        if record and sub(record, 1, 5) == came then
          record = sub(record, 1, state_end(record))
        elseif record then
          record = past_of(ARGV[10 + id], record, found[1])
        end
        kind = record and sub(record, 1, 5) == came and kind_of(record)
        if kind and kind ~= REMOVED and kind ~= COUNTER then
          found[#found + 1] = index
          found[#found + 1] = record
        end
      end
      reply[#reply + 1] = found
    end
  end
  return reply
end

-- What is flipped was reserved: most often the same ids in the same order.
local claims = call('HGET', key('claims'), ticket) or ''
if table.concat(ARGV, '', 11, 10 + count) ~= claims then
  local is_reserved = {}
  for first = 1, #claims, 16 do
    is_reserved[sub(claims, first, first + 15)] = true
  end
  for index = 11, 10 + count do
    if not is_reserved[ARGV[index]] then
      return { 'invalid', 'an id was not reserved' }
    end
  end
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

-- Everything is worked out before the first write: new records, what goes to `past`, and what the queue will say.
local now, reply = milliseconds(), answer()
local ticket_number = parse('>I6', ticket)
local new_handles, past, queue, moves = {}, {}, {}, {}
local superseded, feed, transactions, came_to = 0, {}, {}, {}
local refusal

-- Bytes that a chain keeps alive although a state with another chain, which may begin like it, superseded it.
local function weight(record, length, body)
  local chain = 24 * length
  if body and #body > chain and sub(body, 3, 2 + chain) == sub(record, 8, 7 + chain) then
    return 64
  end
  local total = 64
  for position = 28, 4 + chain, 24 do
    local a, b, c, d = byte(record, position, position + 3)
    total = total + ((a * 256 + b) * 256 + c) * 256 + d
  end
  return total
end

-- Where version and chain of an id are these, the chain is another one; what lies in `past` follows with the writes.
local function relocate(id, publication, start)
  local from = parse('>I2', publication, start + 5)
  local to_start = start + 7 + 24 * from
  local to = parse('>I2', publication, to_start)
  if from == 0 then
    return
  end
  local which = sub(publication, start, start + 4)
  local old = sub(publication, start + 5, to_start - 1)
  local new = sub(publication, to_start, to_start + 1 + 24 * to)
  local any, record = which == '\255\255\255\255\255', records[id + 1]
  if record then
    local last = state_end(record)
    local state, rest = sub(record, 1, last), sub(record, last + 1)
    if sub(state, 6) == old and (any or sub(state, 1, 5) == which) then
      state = sub(state, 1, 5) .. new
    end
    if sub(rest, 12) == old and (any or sub(rest, 7, 11) == which) then
      rest = sub(rest, 1, 11) .. new
    end
    if state .. rest ~= record then
      record = state .. rest
      records[id + 1] = record
      new_handles[#new_handles + 1] = ARGV[10 + id]
      new_handles[#new_handles + 1] = record
    end
  end
  moves[#moves + 1] = { ARGV[10 + id], any, which, old, new }
end

-- What was superseded by one publication, for the queue.
local function note(came, bytes_kept, ids, ended)
  for first = 1, math.max(#ids, 1), 64 do
    local listed = table.concat(ids, '', first, math.min(first + 63, #ids))
    queue[#queue + 1] = came .. pack('>I6I6B', now, first == 1 and bytes_kept or 0, ended) .. listed
  end
end

-- One publication: `true` if it changes more than places.
local function carry_out(publication, came, found, changed, flips)
  local position, flipped, is_change = 21, {}, false
  local kept, ended_kept, moved, ended = 0, 0, {}, {}
  local put_front, put_back = came .. '\0\1', ticket
  for index = 1, flips do
    local a, b, c, d, kind = byte(publication, position, position + 4)
    local id, start = ((a * 256 + b) * 256 + c) * 256 + d, position + 5
    local name, record = ARGV[10 + id], records[id + 1]
    position = flip_end(publication, kind, start)
    if changed then
      changed[index] = name
    end
    if kind > REMOVE then
      relocate(id, publication, start)
    else
      if flipped[id] then
        refusal = 'an id flips twice in one transaction'
        return
      end
      flipped[id], is_change = true, true
      local was, body, fresh
      if record then
        local high, low = byte(record, 6, 7)
        was = high * 256 + low
      end
      if kind == PUT then
        if was == COUNTER then
          refusal = 'a flip does not fit what its id is'
          return
        end
        fresh = put_front .. sub(publication, start, start + 23) .. put_back
      else
        local chain, writer = was and was ~= REMOVED and was ~= COUNTER, ticket
        if (kind == DELTA and not chain) or (kind == ADD and chain) then
          refusal = 'a flip does not fit what its id is'
          return
        end
        if kind == DELTA then
          body = pack('>I2', was + 1) .. sub(record, 8, 7 + 24 * was) .. sub(publication, start, start + 23)
          found[#found + 1] = index - 1
          found[#found + 1] = came .. body
        elseif kind == ADD then
          local amount = sub(publication, start, start + 7)
          if was == COUNTER then
            amount = sum(sub(record, 8, 15), amount)
            -- Additions pass one another: the record names the highest.
            if parse('>I6', record, 16) > ticket_number then
              writer = sub(record, 16, 21)
            end
          end
          body = '\255\255' .. amount
        else
          body = '\0\0'
        end
        fresh = came .. body .. writer
      end
      if record then
        local last, size = 7, 64
        if was == COUNTER then
          last = 15
        elseif was ~= REMOVED then
          last, size = 7 + 24 * was, weight(record, was, body)
        end
        -- What was there before this state goes to `past`, if a readable version still needs it.
        local needs = false
        if #record > last + 6 then
          local e, f, g, h, i = byte(record, 1, 5)
          if (((e * 256 + f) * 256 + g) * 256 + h) * 256 + i > floor then
            past[#past + 1] = 0
            past[#past + 1] = name .. sub(record, last + 7)
            needs = true
          end
        end
        if kind == REMOVE then
          ended[#ended + 1], ended_kept = name, ended_kept + size
        else
          kept = kept + size
          if needs then
            moved[#moved + 1] = name
          end
        end
        superseded = superseded + 1
        fresh = fresh .. sub(record, 1, last)
      end
      records[id + 1] = fresh
      new_handles[#new_handles + 1] = name
      new_handles[#new_handles + 1] = fresh
    end
  end
  if kept > 0 then
    note(came, kept, moved, 0)
  end
  if ended_kept > 0 then
    note(came, ended_kept, ended, 1)
  end
  bytes = bytes + kept + ended_kept
  return is_change
end

reply[5] = 'new'
for number = first_publication, #ARGV do
  local publication = ARGV[number]
  local flips = parse('>I4', publication, 17)
  local came, found, changed = pack('>I5', version + 1), { version + 1 }, flips <= changed_max and {}
  if carry_out(publication, came, found, changed, flips) then
    version = version + 1
    -- Without ids: too many.
    feed[#feed + 1] = version % changed_max
    feed[#feed + 1] = came .. (changed and table.concat(changed) or '')
  elseif refusal then
    return { 'invalid', refusal }
  else
    came, found[1] = pack('>I5', version), version
  end
  transactions[#transactions + 1] = sub(publication, 1, 16)
  came_to[#came_to + 1] = came
  reply[#reply + 1] = found
end

-- Writes from here on.
write('ZADD', key('past'), past)
for _, move in ipairs(moves) do
  local name, any, which, old, new = unpack(move)
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
if #moves > 0 then
  call('HINCRBY', root, 'relocations', 1)
end
write('RPUSH', key('queue'), queue)
write('HSET', key('handles'), new_handles)
write('HSET', key('feed'), feed)

-- A ring of the newest: the slot of the oldest is taken over.
local counts = call('HMGET', root, 'outcomes', 'tickets', 'forgotten')
local outcomes, tickets, forgotten = tonumber(counts[1]), tonumber(counts[2]), tonumber(counts[3])
local published, remembered_max = key('published'), tonumber(ARGV[8])
local function remember(slot, name, value)
  local oldest = call('HGET', published, slot)
  if oldest then
    call('HDEL', published, oldest)
  end
  call('HSET', published, slot, name, name, value)
  return oldest
end
for index, transaction in ipairs(transactions) do
  if call('HEXISTS', published, transaction) == 1 then
    call('HSET', published, transaction, came_to[index])
  else
    remember('o' .. outcomes % remembered_max, transaction, came_to[index])
    outcomes = outcomes + 1
  end
end
local gone = remember('t' .. tickets % remembered_max, ticket, table.concat(came_to))
if gone then
  forgotten = math.max(forgotten, (parse('>I6', gone)))
end
finish(ticket, reserved, claims)
prune(now, tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]) + superseded)
call('HSET', root, 'version', version, 'floor', floor, 'releases', releases,
  'bytes', string.format('%.0f', bytes), 'outcomes', outcomes, 'tickets', tickets + 1,
  'forgotten', string.format('%.0f', forgotten))
reply[2], reply[3], reply[4] = version, floor, releases
reply[#reply + 1] = { period, next_ticket - period_ticket, math.max(now - period_since, 0),
  call('HLEN', key('handles')) }
return reply

"""The Lua steps of forgetting people and workspaces."""
# Pure.

from shared.ledger import keys
from shared.ledger.lua.prelude import ENDING_PRELUDE

NOW = (
    ENDING_PRELUDE
    + """
-- No ARGV. Returns the time in ms.
return string.format('%.0f', now_ms())
"""
)

ASK = (
    ENDING_PRELUDE
    + f"""
-- ARGV: person, in how many ms another process may go on. Remembers that they want to be forgotten,
-- from this moment back. Returns the moment in ms.
local now = string.format('%.0f', now_ms())
local due = string.format('%.0f', now_ms() + ARGV[2])
local state = {{at = now, due = due, stage = 'scan', left = ''}}
redis.call('HSET', '{keys.FORGETTING}', ARGV[1], cjson.encode(state))
return now
"""
)

NOTE = f"""#!lua flags=allow-oom
-- ARGV: person, the moment of the request, state or '' if all is done. Returns 1, or 0 if they have
-- asked again meanwhile.
local known = redis.call('HGET', '{keys.FORGETTING}', ARGV[1])
if not known or cjson.decode(known).at ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', '{keys.FORGETTING}', ARGV[1])
else
  redis.call('HSET', '{keys.FORGETTING}', ARGV[1], ARGV[3])
end
return 1
"""

TAKE = (
    ENDING_PRELUDE
    + f"""
-- ARGV: start of the people's names, for how long no other process takes the same, in ms.
-- Returns {{person, state}} of one whose turn it is, or nothing.
local now = now_ms()
local all = redis.call('HGETALL', '{keys.FORGETTING}')
for i = 1, #all, 2 do
  local state = cjson.decode(all[i + 1])
  if string.sub(all[i], 1, #ARGV[1]) == ARGV[1] and tonumber(state.due) <= now then
    state.due = string.format('%.0f', now + ARGV[2])
    redis.call('HSET', '{keys.FORGETTING}', all[i], cjson.encode(state))
    return {{all[i], cjson.encode(state)}}
  end
end
return {{}}
"""
)

LEAVE = (
    ENDING_PRELUDE
    + f"""
-- ARGV: workspace, in how many ms it is deleted. Returns 1, or 0 if it was to be deleted already.
return redis.call('HSETNX', '{keys.LEAVING}', ARGV[1], string.format('%.0f', now_ms() + ARGV[2]))
"""
)

LEFT = (
    ENDING_PRELUDE
    + f"""
-- ARGV: start of the workspaces' names. Returns those whose time has come.
local now, answer = now_ms(), {{}}
local all = redis.call('HGETALL', '{keys.LEAVING}')
for i = 1, #all, 2 do
  if string.sub(all[i], 1, #ARGV[1]) == ARGV[1] and tonumber(all[i + 1]) <= now then
    table.insert(answer, all[i])
  end
end
return answer
"""
)

RETURN = f"""#!lua flags=allow-oom
-- ARGV: workspaces. They are not deleted. Returns how many were going to be.
return redis.call('HDEL', '{keys.LEAVING}', unpack(ARGV))
"""

FIND = """#!lua flags=allow-oom
-- ARGV: cursor, pattern, how many keys to look at. Returns {next cursor, key, ...}.
local found = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3])
local answer = {found[1]}
for _, key in ipairs(found[2]) do table.insert(answer, key) end
return answer
"""

FIND_JOBS = (
    ENDING_PRELUDE
    + """
-- ARGV: cursor, how many keys to look at, what a document must have in it.
-- Returns {next cursor, {id, state, when it was accepted in ms, document, conversation}, ...}.
local start = job_key('')
local found = redis.call('SCAN', ARGV[1], 'MATCH', start .. '*', 'COUNT', ARGV[2], 'TYPE', 'hash')
local answer = {found[1]}
for _, key in ipairs(found[2]) do
  local job = redis.call('HMGET', key, 'state', 'accepted_at', 'job', 'conversation')
  if job[3] and string.find(job[3], ARGV[3], 1, true) then
    table.insert(answer, {string.sub(key, #start + 1), job[1] or '', job[2] or '0', job[3],
      job[4] or ''})
  end
end
return answer
"""
)

READ_JOBS = (
    ENDING_PRELUDE
    + """
-- ARGV: ids. Returns {{id, state, when it was accepted in ms, document, conversation}, ...} of
-- those that there are.
local answer = {}
for _, id in ipairs(ARGV) do
  local job = redis.call('HMGET', job_key(id), 'state', 'accepted_at', 'job', 'conversation')
  if job[3] then
    table.insert(answer, {id, job[1] or '', job[2] or '0', job[3], job[4] or ''})
  end
end
return answer
"""
)

# Takes the reply of a job out of the outbox that it waits in.
UNSEND = """
local function unsend(id)
  local name = outbox_key(redis.call('HGET', job_key(id), 'outbox') or '')
  if redis.call('EXISTS', name) == 0 then return end
  local start = '-'
  while true do
    local entries = redis.call('XRANGE', name, start, '+', 'COUNT', 500)
    for _, entry in ipairs(entries) do
      for i = 1, #entry[2], 2 do
        if entry[2][i] == 'job' and entry[2][i + 1] == id then
          redis.pcall('XACK', name, 'bots', entry[1])
          redis.call('XDEL', name, entry[1])
        end
      end
    end
    if #entries < 500 then return end
    start = '(' .. entries[#entries][1]
  end
end
"""

BLANK = (
    ENDING_PRELUDE
    + UNSEND
    + f"""
-- ARGV: id, document without words, person whose job it is or ''. A job that is over keeps what
-- shows a repeated event for what it is, and where its answer stands. Returns 1, or 0 if it is
-- open.
local id, person = ARGV[1], ARGV[3]
local state = redis.call('HGET', job_key(id), 'state')
if not state then return 1 end
if state == 'waiting' or state == 'queued' or state == 'running' or state == 'done' then
  return 0
end
redis.call('HSET', job_key(id), 'job', ARGV[2])
if person ~= '' then
  redis.call('HDEL', job_key(id), 'asker', 'user_counter', 'channel_counter')
  redis.call('ZREM', '{keys.questions("")}' .. person, id)
  redis.call('SREM', asker_key(person), id)
end
redis.call('DEL', ending_key(id), snapshot_key(id), thought_key(id))
if redis.call('ZREM', DEAD, id) == 1 then
  redis.call('HDEL', job_key(id), 'dead')
  redis.call('PEXPIRE', job_key(id), {keys.DELIVERED_JOB_LIFETIME_MS})
end
if state == 'withdrawn' then unsend(id) end
return 1
"""
)

DELETE_JOB = (
    ENDING_PRELUDE
    + UNSEND
    + f"""
-- ARGV: id. Deletes a job that was withdrawn or is over, with all that belongs to it. Of one that
-- was withdrawn the state stays for a while: a worker may be running it. Returns 1.
local id = ARGV[1]
local is_withdrawn = redis.call('HGET', job_key(id), 'state') == 'withdrawn'
unsend(id)
redis.call('ZREM', DEAD, id)
redis.call('ZREM', OPEN, id)
redis.call('ZREM', QUEUE, id)
redis.call('DEL', job_key(id), ending_key(id), snapshot_key(id), thought_key(id))
if is_withdrawn then
  redis.call('HSET', job_key(id), 'state', 'withdrawn')
  redis.call('PEXPIRE', job_key(id), {keys.DELIVERED_JOB_LIFETIME_MS})
end
return 1
"""
)

OF_PERSON = (
    ENDING_PRELUDE
    + f"""
-- ARGV: person. Returns {{conversations in which they asked, jobs that are known to be theirs}}.
local jobs = redis.call('ZRANGE', '{keys.questions("")}' .. ARGV[1], 0, -1)
for _, id in ipairs(redis.call('SMEMBERS', asker_key(ARGV[1]))) do table.insert(jobs, id) end
return {{redis.call('ZRANGE', '{keys.asked("")}' .. ARGV[1], 0, -1), jobs}}
"""
)

TURNS = """#!lua flags=allow-oom
-- ARGV: keys of lists. Returns {items, ...}.
local answer = {}
for _, key in ipairs(ARGV) do table.insert(answer, redis.call('LRANGE', key, 0, -1)) end
return answer
"""

TAKE_OUT = """#!lua flags=allow-oom
-- ARGV: key of a list, items that are taken out of it. Returns how many were.
local num = 0
for i = 2, #ARGV do num = num + redis.call('LREM', ARGV[1], 0, ARGV[i]) end
return num
"""

VALUES = """#!lua flags=allow-oom
-- ARGV: keys of strings. Returns their values, '' for one that is gone.
local answer = {}
for _, key in ipairs(ARGV) do table.insert(answer, redis.call('GET', key) or '') end
return answer
"""

DELETE = """#!lua flags=allow-oom
-- ARGV: keys. Returns how many there were.
local num = 0
for _, key in ipairs(ARGV) do num = num + redis.call('UNLINK', key) end
return num
"""

FORGET_PERSON = f"""#!lua flags=allow-oom
-- ARGV: person, feedback key, told key, bucket, two keys of what they were told who may not ask,
-- conversations that they asked in.
-- Returns how many verdicts there were.
local num = redis.call('HLEN', ARGV[2])
redis.call('DEL', ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
for i = 7, #ARGV do redis.call('ZREM', '{keys.asked("")}' .. ARGV[1], ARGV[i]) end
return num
"""

FORGET_PLACES = f"""#!lua flags=allow-oom
-- ARGV: read marks, threads, channels in number, channels with their marks' names, the threads'
-- names, then '|' and scopes of preferences.
local num = tonumber(ARGV[3])
for i = 4, 3 + num do redis.call('HDEL', ARGV[1], ARGV[i]) end
local i, gone = 4 + num, 0
while ARGV[i] and ARGV[i] ~= '|' do
  redis.call('ZREM', ARGV[2], ARGV[i])
  i = i + 1
end
i = i + 1
while ARGV[i] do
  gone = gone + redis.call('HDEL', '{keys.PREFERENCES}', ARGV[i])
  redis.call('PUBLISH', '{keys.PREFERENCES_NEWS}', ARGV[i])
  i = i + 1
end
if gone > 0 then redis.call('INCR', '{keys.PREFERENCES_CHANGES}') end
return gone
"""

TAUGHT = f"""#!lua flags=allow-oom
-- ARGV: cursor. Returns {{next cursor, document, who taught it and from what, ...}}.
local found = redis.call('HSCAN', '{keys.TEACHERS}', ARGV[1], 'COUNT', 500)
local answer = {{found[1]}}
for _, word in ipairs(found[2]) do table.insert(answer, word) end
return answer
"""

DOCUMENTS_OF = f"""#!lua flags=allow-oom
-- ARGV: cursor, platform, team. Returns {{next cursor, document, ...}} of that workspace.
local found = redis.call('HSCAN', '{keys.DOCUMENTS}', ARGV[1], 'COUNT', 100)
local answer = {{found[1]}}
for i = 1, #found[2], 2 do
  local document = cjson.decode(found[2][i + 1])
  if document.platform == ARGV[2] and document.team == ARGV[3] then
    table.insert(answer, found[2][i])
  end
end
return answer
"""

UNLEARN = f"""#!lua flags=allow-oom
-- ARGV: messages that nothing is remembered from any more. Returns how many there were.
local num = 0
for _, lesson in ipairs(ARGV) do num = num + redis.call('SREM', '{keys.LESSONS}', lesson) end
return num
"""

LESSONS_OF = f"""#!lua flags=allow-oom
-- ARGV: cursor, how a lesson starts. Deletes such lessons; returns the next cursor.
local found = redis.call('SSCAN', '{keys.LESSONS}', ARGV[1], 'COUNT', 500)
for _, lesson in ipairs(found[2]) do
  if string.sub(lesson, 1, #ARGV[2]) == ARGV[2] then
    redis.call('SREM', '{keys.LESSONS}', lesson)
  end
end
return found[1]
"""

FIELDS_OF = """#!lua flags=allow-oom
-- ARGV: hash, how a field starts, further fields. Deletes such fields. Returns how many.
local num = 0
for _, field in ipairs(redis.call('HKEYS', ARGV[1])) do
  if string.sub(field, 1, #ARGV[2]) == ARGV[2] then
    num = num + redis.call('HDEL', ARGV[1], field)
  end
end
for i = 3, #ARGV do num = num + redis.call('HDEL', ARGV[1], ARGV[i]) end
return num
"""

MEMBERS_OF = """#!lua flags=allow-oom
-- ARGV: sorted set, members. Deletes them. Returns how many.
local num = 0
for i = 2, #ARGV do num = num + redis.call('ZREM', ARGV[1], ARGV[i]) end
return num
"""

# An entry of a stream cannot be changed, so the stream is written again, with the same ids. It has
# some 10,000 entries at most: 30 ms.
REWRITE_AUDIT = f"""#!lua flags=allow-oom
-- ARGV: how the scopes start, user, or '' to delete the entries instead of what tells of that user.
-- Returns how many entries that were.
local name, new, num, theirs = '{keys.AUDIT}', '{keys.AUDIT}:new', 0, {{}}
local entries = redis.call('XRANGE', name, '-', '+')
local function fields_of(entry)
  local fields = {{}}
  for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
  return fields
end
local function is_there(fields) return string.sub(fields.scope, 1, #ARGV[1]) == ARGV[1] end
local function is_meant(fields)
  return is_there(fields) and (ARGV[2] == '' or fields.user == ARGV[2])
end
for _, entry in ipairs(entries) do
  local fields = fields_of(entry)
  if is_meant(fields) then
    num = num + 1
    if fields.field == 'system_prompt' and fields.new ~= '' then theirs[fields.new] = true end
  end
end
if num == 0 then return 0 end
redis.call('DEL', new)
for _, entry in ipairs(entries) do
  local fields = fields_of(entry)
  local is_theirs = is_meant(fields)
  if is_theirs and ARGV[2] ~= '' then fields.user = '' end
  if is_there(fields) then
    if theirs[fields.old] then fields.old = '{keys.FORGOTTEN}' end
    if theirs[fields.new] then fields.new = '{keys.FORGOTTEN}' end
  end
  if not (is_theirs and ARGV[2] == '') then
    redis.call('XADD', new, entry[1], 'scope', fields.scope, 'user', fields.user,
      'field', fields.field, 'old', fields.old, 'new', fields.new)
  end
end
if redis.call('EXISTS', new) == 1 then
  redis.call('RENAME', new, name)
else
  redis.call('DEL', name)
end
return num
"""

ADD_AUDIT = f"""#!lua flags=allow-oom
-- ARGV: scope, who, field, old, new.
redis.call('XADD', '{keys.AUDIT}', 'MAXLEN', '~', {keys.MAX_AUDIT}, '*', 'scope', ARGV[1],
  'user', ARGV[2], 'field', ARGV[3], 'old', ARGV[4], 'new', ARGV[5])
return 1
"""

FORGET_SCOPES = f"""#!lua flags=allow-oom
-- ARGV: how a scope of preferences starts. Deletes those. Returns how many there were.
local num = 0
for _, scope in ipairs(redis.call('HKEYS', '{keys.PREFERENCES}')) do
  if string.sub(scope, 1, #ARGV[1]) == ARGV[1] then
    num = num + redis.call('HDEL', '{keys.PREFERENCES}', scope)
    redis.call('PUBLISH', '{keys.PREFERENCES_NEWS}', scope)
  end
end
if num > 0 then redis.call('INCR', '{keys.PREFERENCES_CHANGES}') end
return num
"""

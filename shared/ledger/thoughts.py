"""The calls for the thoughts before an answer: kept by its worker, shown on request by bots.

A thought lies under a key of its own, apart from the answer and from what a conversation remembers.
"""

from shared.ledger import codec, keys
from shared.ledger.calls import Call, Raw, is_one, text_of
from shared.ledger.lua.blame import BLAME
from shared.ledger.lua.prelude import KEYS, PRELUDE
from shared.replies import ThoughtSoFar

KEEP = (
    PRELUDE
    + BLAME
    + f"""
-- ARGV: id, token, thought. Returns 1, or 0 if the lease is another's.
local id = ARGV[1]
if not holds(id, ARGV[2]) then return 0 end
note_progress(id, ARGV[2], redis.call('SET', thought_key(id), ARGV[3], 'PX',
  {keys.THOUGHT_LIFETIME_MS}, 'GET'), ARGV[3])
return 1
"""
)

READ = (
    KEYS
    + """
-- ARGV: id. Returns the thought or ''.
return redis.call('GET', thought_key(ARGV[1])) or ''
"""
)


def keep(job_id: str, token: str, thought: ThoughtSoFar) -> Call[bool]:
    """Replace a job's thought so far; False if the lease is lost."""
    return Call(KEEP, (job_id, token, codec.encode(thought)), is_one)


def read(job_id: str) -> Call[ThoughtSoFar | None]:
    """A job's thought so far; None if there is none, or it is forgotten.

    Who may see it is for the caller to check: the person who asked.
    """

    def decoded(raw: Raw) -> ThoughtSoFar | None:
        document = text_of(raw)
        return codec.decode(document, ThoughtSoFar) if document else None

    return Call(READ, (job_id,), decoded)

"""What ``/forget-me`` does: everything that is kept of a person goes, but that they opted out."""

from bots.store import AsyncStore
from shared.jobs import Origin
from shared.ledger import privacy


async def forget_user(store: AsyncStore, origin: Origin) -> str:
    """Delete what is kept of the origin's person in the origin's workspace.

    Conversations in which they asked, their questions, what they said about answers, and how their
    messages were rated. Kept are: that they opted out, and what they used today.

    Returns:
        what was deleted, in numbers; a sentence or two for that person alone.

    Raises:
        redis.RedisError, TimeoutError, OSError: Redis is away; some may be gone already.
    """
    gone = await store.run(privacy.forget(origin))
    cursor = privacy.START
    while True:
        found = await store.run(privacy.rated_channels(origin, cursor))
        for channel in found.channels:
            start = privacy.FIRST
            while start:
                page = await store.run(privacy.forget_ratings(origin, channel, start))
                gone, start = gone.with_ratings(len(page.ratings)), page.next_start
        cursor = found.next_cursor
        if cursor == privacy.START:
            return privacy.forgotten_text(gone)

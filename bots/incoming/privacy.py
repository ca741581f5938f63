"""``/forget-me``: deletes all data about a person, except that they opted out."""

from bots.store import AsyncStore
from shared.jobs import Origin
from shared.ledger import privacy


async def forget_user(store: AsyncStore, origin: Origin) -> str:
    """Delete what is kept of the origin's person in the origin's workspace.

    That is conversations in which they asked, their questions, their feedback, and the ratings of
    their messages. Kept are their opt-out and what they used today.

    Returns:
        what was deleted, in numbers; a sentence or two for that person alone.

    Raises:
        redis.RedisError, TimeoutError, OSError: Redis is away; some may be deleted already.
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

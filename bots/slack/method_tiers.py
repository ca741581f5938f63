"""Rate limits of Slack's methods: so many calls a minute in a workspace. Pure.

docs.slack.dev/apis/web-api/rate-limits: tier 2 allows 20 calls a minute and more, tier 3 50, tier 4
100; ``chat.postMessage`` allows one a second in a channel, with short bursts.
"""

from shared.ledger.rate_budget import Bucket

TIER_2, TIER_3, TIER_4 = 20, 50, 100
POSTS_PER_MINUTE, POSTS_AT_ONCE = 60, 10
RESERVED = 0.4
"""The part of a bucket that partial texts leave to endings."""
POST, UPDATE = "chat.postMessage", "chat.update"
START, APPEND, STOP = "chat.startStream", "chat.appendStream", "chat.stopStream"
SET_STATUS = "agents.sessions.setStatus"
LIVE = frozenset({START, APPEND})
"""Endings need none of these."""
TIERS = {UPDATE: TIER_3, START: TIER_2, APPEND: TIER_4, STOP: TIER_2, SET_STATUS: TIER_3}


def bucket_of(team: str, channel: str, method: str) -> Bucket:
    """The bucket that the calls of a method are counted in.

    Args:
        team: the workspace.
        channel: where the call is made.
        method: one of ``TIERS``, or ``POST``.
    """
    if method == POST:
        name, per_minute, burst = f"{method}:{channel}", POSTS_PER_MINUTE, POSTS_AT_ONCE
    else:
        name, per_minute, burst = method, TIERS[method], TIERS[method]
    reserve = 0 if method in LIVE else int(burst * RESERVED)
    return Bucket(f"slack:{team}:{name}", per_minute, burst, reserve)

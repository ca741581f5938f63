"""What a fake Discord can be told before and while it runs: identity, limits, lifetimes, switches.

Every number names the page of Discord's developer documentation it comes from. Nothing here knows
about sockets or state; every other part of the fake reads it.
"""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

APPLICATION_ID = 1_100_000_000_000_000_001
BOT_USER_ID = 1_100_000_000_000_000_002


def make_token(bot_user_id: int) -> str:
    """Return a token of the real shape (user id, time, signature) that is plainly made up."""
    owner = base64.urlsafe_b64encode(str(bot_user_id).encode()).decode().rstrip("=")
    return f"{owner}.FAKE00.made-up-token-for-tests-only"


TOKEN = make_token(BOT_USER_ID)

# Gateway (Gateway Intents)
INTENT_GUILDS = 1 << 0
INTENT_GUILD_MEMBERS = 1 << 1
INTENT_GUILD_PRESENCES = 1 << 8
INTENT_GUILD_MESSAGES = 1 << 9
INTENT_GUILD_MESSAGE_REACTIONS = 1 << 10
INTENT_DIRECT_MESSAGES = 1 << 12
INTENT_DIRECT_MESSAGE_REACTIONS = 1 << 13
INTENT_MESSAGE_CONTENT = 1 << 15
INTENT_MAX = 1 << 26

# Application (Application Flags): the verified and the limited form of each privileged intent
FLAG_GATEWAY_MESSAGE_CONTENT_LIMITED = 1 << 19
FLAG_GATEWAY_GUILD_MEMBERS_LIMITED = 1 << 15
FLAG_GATEWAY_PRESENCE_LIMITED = 1 << 13

# Message (Message Flags)
MESSAGE_HAS_THREAD = 1 << 5
MESSAGE_EPHEMERAL = 1 << 6
MESSAGE_LOADING = 1 << 7
MESSAGE_IS_COMPONENTS_V2 = 1 << 15

# Message (Create Message, Embed Limits, Reaction Object)
MAX_CONTENT_CHARS = 2_000
MAX_NONCE_CHARS = 25
MAX_EMBEDS = 10
MAX_EMBED_DESCRIPTION_CHARS = 4_096
MAX_EMBEDS_TOTAL_CHARS = 6_000
MAX_REQUEST_BYTES = 25 * 1024 * 1024
MAX_REACTION_KINDS = 20
# Component Reference (introduction): components in one message, and the text in them
MAX_COMPONENTS = 40
MAX_COMPONENTS_TEXT_CHARS = 4_000
# Channel (Start Thread from Message)
MAX_THREAD_NAME_CHARS = 100
# Application Commands (Registering a Command)
MAX_COMMANDS_PER_TYPE = {1: 100, 2: 15, 3: 15}


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`limit` requests in every window of `per_s` seconds."""

    limit: int
    per_s: float


@dataclass(slots=True)
class Settings:
    """Everything adjustable. May be changed while the server runs; a change holds at once.

    `rate_limit` and `global_rate_limit` may be None, which switches that limit off.
    """

    # Rate Limits says the figures vary; 5 in 5 s is what people observe for a channel's messages.
    rate_limit: RateLimit | None = field(default_factory=lambda: RateLimit(5, 5.0))
    # Rate Limits (Global Rate Limit)
    global_rate_limit: RateLimit | None = field(default_factory=lambda: RateLimit(50, 1.0))
    # Create Message calls it "the past few minutes" and gives no figure.
    nonce_window_s: float = 180.0
    # Receiving and Responding (Interaction Callback; Followup Messages)
    first_response_s: float = 3.0
    interaction_token_s: float = 900.0
    # Gateway (Hello Event shows 45 s; 41.25 s is what is seen in practice)
    heartbeat_interval_s: float = 41.25
    # Gateway (Initiating a Disconnect): a session times out "after a few minutes"
    session_lifetime_s: float = 180.0
    # Gateway (Rate Limiting)
    max_gateway_sends: int = 120
    gateway_sends_window_s: float = 60.0
    # Gateway (Session Start Limit Object; Identifying). The interval is 5 s on the real one; here
    # it is off unless asked for, so that bots can be restarted without a wait.
    identify_limit: int = 1_000
    max_concurrency: int = 1
    identify_interval_s: float = 0.0
    # Gateway (Sharding): recommended shards, and the guilds one shard may hold
    shards: int = 1
    max_guilds_per_shard: int = 2_500
    # The switches under "Privileged Gateway Intents" in the developer portal
    allow_message_content: bool = True
    allow_members: bool = True
    allow_presences: bool = True
    # While true, new gateway connections are refused with 503.
    is_gateway_down: bool = False
    # While false, every file's address answers 404, as one whose day is over does.
    hands_out_files: bool = True
    # Whether `after`, `around` and `before` are not known, and the latest messages are returned.
    ignores_times: bool = False
    # What messages lack here, as they do on servers that leave out what is empty.
    omitted: frozenset[str] = frozenset()
    # Seconds for every lifetime and window above; a test may pass its own.
    clock: Callable[[], float] = time.monotonic

    @property
    def application_flags(self) -> int:
        """The `flags` of the application: which privileged intents are switched on."""
        flags = 0
        if self.allow_message_content:
            flags |= FLAG_GATEWAY_MESSAGE_CONTENT_LIMITED
        if self.allow_members:
            flags |= FLAG_GATEWAY_GUILD_MEMBERS_LIMITED
        if self.allow_presences:
            flags |= FLAG_GATEWAY_PRESENCE_LIMITED
        return flags

    @property
    def refused_intents(self) -> int:
        """The privileged intents that an IDENTIFY may not ask for."""
        refused = 0
        if not self.allow_message_content:
            refused |= INTENT_MESSAGE_CONTENT
        if not self.allow_members:
            refused |= INTENT_GUILD_MEMBERS
        if not self.allow_presences:
            refused |= INTENT_GUILD_PRESENCES
        return refused

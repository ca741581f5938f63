"""What a fake Slack can be told: who its app is, how long it waits, and where its limits lie.

Plain values only; nothing here knows of sockets or of stored state. Every figure that Slack
publishes, or that somebody measured, stands here beside its source.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fakes.slack_scopes import ALL_SCOPES

Json = dict[str, Any]

# docs.slack.dev/reference/methods/chat.postMessage#truncating
MAX_TEXT_CHARS = 40_000
# docs.slack.dev/reference/methods/chat.postMessage, chat.appendStream: argument markdown_text
MAX_MARKDOWN_TEXT_CHARS = 12_000
# Not documented; measured in github.com/slackapi/bolt-js/issues/2509 as 13,172 to 13,297
MAX_BLOCKS_CHARS = 13_200
# docs.slack.dev/reference/block-kit/blocks: blocks in a message, then text in each kind
MAX_BLOCKS = 50
MAX_BLOCK_TEXT_CHARS = {"section": 3_000, "header": 150, "markdown": 12_000}
# docs.slack.dev/apis/events-api/using-socket-mode#connections
MAX_CONNECTIONS = 10
# docs.slack.dev/interactivity/handling-user-interaction#message_responses
MAX_RESPONSE_URL_USES = 5
# docs.slack.dev/reference/methods/agents.sessions.setStatus
MAX_SESSION_TITLE_CHARS = 200
SESSION_STATUSES = ("active", "processing", "suspended", "closed")


@dataclass(kw_only=True, eq=False)
class Settings:
    """The app's identity and the waits of one fake Slack.

    Every value may be changed while the server runs (the tokens too: an old one then answers
    `invalid_auth`), but for `port` and `first_ts_s`, which are read once.

    `events_url` chooses the transport: without it everything goes out by Socket Mode, with it
    everything is POSTed there and signed.
    """

    bot_token: str = "xoxb-fake-bot"
    app_token: str = "xapp-fake-app"
    signing_secret: str = "fake-signing-secret"
    team_id: str = "T0FAKE"
    team_domain: str = "fake"
    bot_user_id: str = "U0PARLEY"
    bot_id: str = "B0PARLEY"
    bot_name: str = "parley"
    app_id: str = "A0PARLEY"
    client_id: str = "123.456"
    client_secret: str = "fake-client-secret"

    port: int = 0
    # The first ts. Give int(time.time()) to a bot that asks for the history of the last hour.
    first_ts_s: int = 1_700_000_000
    # Lets ts keep pace with a clock, such as time.time, for a bot that reads histories by time.
    ts_clock: Callable[[], float] | None = None
    # Measures waits and stream lifetimes; a test may pass its own.
    clock: Callable[[], float] = time.monotonic

    events_url: str | None = None
    # How long a Socket Mode envelope may stay without an ack before it is sent again.
    retry_after_s: float = 1.0
    # From docs.slack.dev/apis/events-api#retries: an answer counts only within three seconds, and
    # without one there are three more tries, at once and after 1 and 5 minutes.
    max_retries: int = 3
    http_retry_delays_s: tuple[float, ...] = (0.0, 60.0, 300.0)
    http_timeout_s: float = 3.0
    ping_interval_s: float = 10.0

    # What the app was granted; a method without its scope answers `missing_scope`.
    scopes: frozenset[str] = ALL_SCOPES
    # So many messages with an image are refused because its file is still being processed
    # (github.com/slackapi/python-slack-sdk/issues/1658).
    num_file_refusals: int = 0

    # Whether histories are returned whole, as servers do that do not know `oldest` and `latest`.
    ignores_times: bool = False

    # Kinds of blocks that this workspace does not take.
    refused_blocks: frozenset[str] = frozenset()

    # Not documented; github.com/slackapi/python-slack-sdk/issues/1859: dead after about 5 minutes
    stream_lifetime_s: float = 300.0
    # Not documented for text; msg_too_long is reported above 4,000 characters, for example in
    # github.com/seratch/ChatGPT-in-Slack/issues/102 (comment by a Slack engineer)
    update_text_chars: int = 4_000

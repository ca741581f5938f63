"""Everything that can go wrong on purpose.

ParleyError
├── RefusedError              the user's request cannot be served; ``sentence`` is what they read
│   ├── EmptyMessageError
│   ├── MessageTooLongError
│   ├── PromptTooLongError
│   ├── TooManyMessagesError
│   ├── ChannelBusyError
│   ├── TooManyOpenError
│   ├── QueueFullError
│   ├── PlaceUnreadableError
│   ├── NothingThereError
│   ├── TranslationPairError
│   ├── UnreadableDocumentError
│   ├── NoKnowledgeError
│   ├── FileTooLargeError
│   ├── FileUnavailableError
│   ├── NotAMemberError
│   ├── NoThreadError
│   ├── TaskOffError
│   ├── QuotaError
│   └── DeadlineError
├── PlatformError             Slack or Discord
│   ├── UndeliverableError        the channel is gone, or we may not write there: do not retry
│   │   ├── MessageGoneError          our message cannot be edited any more, but another be posted
│   │   └── ElsewhereError            we, or whom it is for, are not in that place
│   └── PlatformUnavailableError  try again later, in doubt whether it took effect
│       ├── PlatformSilentError       no answer came; it may take effect only after later calls
│       └── RateLimitedError          it did not; the platform says how long to wait
├── CodecError                a document that is not ours, of another version, or lacks a field
├── ModelError                the model or its engine
│   └── EngineError               generation failed, also after the engine was rebuilt
│       └── EngineLostError           and not by this request: another worker may well answer it
└── StartupError              the process cannot start; ``exit_code`` tells a supervisor which
    ├── SettingsError
    ├── RedisUnavailableError
    ├── ModelUnavailableError
    ├── ModelServerSilentError
    ├── TokenError
    ├── PlatformUnreachableError
    └── PortInUseError
"""
# Pure. Uses babel.

from typing import ClassVar

from shared.languages import name_of
from shared.replies import Failed


class ParleyError(Exception):
    """Base of all of Parley's own errors."""


class RefusedError(ParleyError):
    """The request cannot be served as it is; nobody is at fault but the request."""

    code: ClassVar[str] = "refused"

    @property
    def sentence(self) -> str:
        """What the person reads in the channel."""
        return str(self)

    def to_reply(self, text: str = "") -> Failed:
        """The visible outcome, with what had been written before."""
        return Failed(code=self.code, sentence=self.sentence, text=text)


class EmptyMessageError(RefusedError):
    """A mention with nothing beside it."""

    code = "empty"

    def __init__(self) -> None:
        super().__init__(
            "There was no text in your message. Write your question beside the mention."
        )


class MessageTooLongError(RefusedError):
    """A message longer than ``PARLEY_MAX_MESSAGE_CHARS``."""

    code = "too_long"

    def __init__(self, num_chars: int, max_chars: int) -> None:
        super().__init__(
            f"Your message has {num_chars:,} characters; I can read at most {max_chars:,}. "
            "Please send a shorter one."
        )


class PromptTooLongError(RefusedError):
    """A message that does not fit the model's context even without any history."""

    code = "prompt_too_long"

    def __init__(self, num_tokens: int, max_tokens: int) -> None:
        super().__init__(
            f"Your message is {num_tokens:,} tokens long for this model, which can read at most "
            f"{max_tokens:,}. Please send a shorter one."
        )


class TooManyMessagesError(RefusedError):
    """One person's messages come faster than ``PARLEY_USER_MESSAGES_PER_MIN``."""

    code = "user_rate"

    def __init__(self, per_minute: int, wait: str) -> None:
        super().__init__(
            f"I take at most {per_minute:,} messages a minute from one person. "
            f"Please ask again in about {wait} s."
        )


class ChannelBusyError(RefusedError):
    """A channel's messages come faster than ``PARLEY_CHANNEL_MESSAGES_PER_MIN``."""

    code = "channel_rate"

    def __init__(self, per_minute: int, wait: str) -> None:
        super().__init__(
            f"I take at most {per_minute:,} messages a minute in one channel. "
            f"Please ask again in about {wait} s."
        )


class TooManyOpenError(RefusedError):
    """One person has ``PARLEY_MAX_OPEN_PER_USER`` questions waiting for their answers."""

    code = "open_jobs"

    def __init__(self, num_open: int, wait: str) -> None:
        super().__init__(
            f"I still owe you {num_open:,} answers. Please ask again when you have one of them, "
            f"in about {wait} s."
        )


class QueueFullError(RefusedError):
    """``PARLEY_MAX_QUEUE`` jobs wait for a worker."""

    code = "queue_full"

    def __init__(self, num_queued: int, wait: str) -> None:
        super().__init__(
            f"I am busy: {num_queued:,} questions are waiting already. "
            f"Please ask again in about {wait} s."
        )


class PlaceUnreadableError(RefusedError):
    """The messages that a task works on cannot be read."""

    code = "place_unreadable"

    def __init__(self) -> None:
        super().__init__(
            "I cannot read the messages here. Add me to this channel, or let me see its history, "
            "and ask again."
        )


class NothingThereError(RefusedError):
    """There are no messages for a task to work on."""

    code = "nothing_there"

    def __init__(self) -> None:
        super().__init__("I find no messages there that I could work on.")


class TranslationPairError(RefusedError):
    """The translation model was not made for this language."""

    code = "translation_pair"

    def __init__(self, model: str, language: str) -> None:
        super().__init__(
            f"The translation model here, {model}, does not translate into {name_of(language)}. "
            "Ask for another language, or ask whoever runs me for a model of that one."
        )
        self.language = language


class NotAMemberError(RefusedError):
    """Somebody asks about a place that they are not in."""

    code = "not_a_member"

    def __init__(self) -> None:
        super().__init__(
            "You are not in this channel, so I tell you nothing of what is said there. "
            "Join it and ask again."
        )


class NoThreadError(RefusedError):
    """A thread is meant, and there is none."""

    code = "no_thread"

    def __init__(self) -> None:
        super().__init__(
            "There is no thread here. Mention me in the thread that you mean and ask again."
        )


class TaskOffError(RefusedError):
    """A task that is switched off where it was asked for."""

    code = "task_off"

    def __init__(self, task: str) -> None:
        super().__init__(
            f"The task “{task}” is switched off in this channel. Its administrators can switch it "
            "on in my settings."
        )


class QuotaError(RefusedError):
    """A person or a channel has used up what they may use in a day."""

    code = "quota"

    def __init__(self, whose: str, limit: int, unit: str) -> None:
        """``whose``: ``You have`` or ``This channel has``."""
        super().__init__(
            f"{whose} used up today's {limit:,} {unit}. Ask me again after 00:00 UTC, when "
            "counting begins anew."
        )


class FileTooLargeError(RefusedError):
    """A file larger than ``PARLEY_MAX_UPLOAD_MB``."""

    code = "file_too_large"

    def __init__(self, name: str, num_mb: float, max_mb: float) -> None:
        super().__init__(
            f"The file “{name}” has {num_mb:,.1f} MB; I can learn from at most {max_mb:g} MB. "
            "Please upload it in parts."
        )


class FileUnavailableError(RefusedError):
    """The platform does not hand out a file that is to be learned."""

    code = "file_unavailable"

    def __init__(self, name: str) -> None:
        super().__init__(f"I could not fetch “{name}”. Please upload it again.")


class UnreadableDocumentError(RefusedError):
    """A file that cannot be read as a document."""

    code = "document_unreadable"


class NoKnowledgeError(RefusedError):
    """Documents cannot be searched, or there are none."""

    code = "no_knowledge"


class DeadlineError(RefusedError):
    """The job's time ran out before its answer was whole."""

    code = "deadline"

    def __init__(self, deadline_s: float) -> None:
        super().__init__(
            f"This took longer than {deadline_s:g} seconds, so I stopped. Please ask again."
        )


class PlatformError(ParleyError):
    """Slack or Discord did not do what was asked."""


class UndeliverableError(PlatformError):
    """The place is gone or closed to us: trying again cannot help."""


class MessageGoneError(UndeliverableError):
    """Our message was deleted, or can no longer be edited; another one may be posted."""


class ElsewhereError(UndeliverableError):
    """We, or the person whom it is for, are not in that place."""


class PlatformUnavailableError(PlatformError):
    """A passing fault; whether the call took effect is unknown."""


class PlatformSilentError(PlatformUnavailableError):
    """No answer in time: the call may yet take effect, even after calls that are made later."""


class RateLimitedError(PlatformUnavailableError):
    """Too much was asked of the platform: nothing was done, and nothing will be for a while."""

    def __init__(
        self, retry_after_s: float, *, is_everywhere: bool = False, is_shared: bool = False
    ) -> None:
        """How long, and for whom.

        Args:
            retry_after_s: so long.
            is_everywhere: not only for this kind of call, or in this place.
            is_shared: other processes have been told.
        """
        super().__init__(f"rate limited for {retry_after_s:g} s")
        self.retry_after_s = retry_after_s
        self.is_everywhere = is_everywhere
        self.is_shared = is_shared


class CodecError(ParleyError):
    """A document that is not ours, is of another version, or lacks a field."""


class ModelError(ParleyError):
    """The model could not answer."""


class EngineError(ModelError):
    """Generation failed for good."""


class EngineLostError(EngineError):
    """The engine is beyond repair; nothing is known against the requests that end with it."""

    def __init__(self, why: str = "The engine is lost.") -> None:
        super().__init__(why)


class StartupError(ParleyError):
    """The process cannot start. The message is one sentence that says what to do.

    The exit codes are those of sysexits.h; a supervisor should not restart on 66, 77 and 78.
    """

    exit_code: ClassVar[int] = 70


class SettingsError(StartupError):
    """A setting is missing, malformed or unknown; the sentence names its key."""

    exit_code = 78


class TokenError(StartupError):
    """A platform refused our token."""

    exit_code = 77


class PlatformUnreachableError(StartupError):
    """A platform does not answer; a supervisor should try again after a while."""

    exit_code = 75

    def __init__(self, platform: str, url: str, reason: str) -> None:
        super().__init__(
            f"{platform} does not answer at {url} ({reason}): check this machine's network."
        )


class PortInUseError(StartupError):
    """``PARLEY_HTTP_PORT`` is taken."""

    exit_code = 73


class RedisUnavailableError(StartupError):
    """Redis cannot be reached, or must not be used as it is set up."""

    exit_code = 69


class ModelUnavailableError(StartupError):
    """``PARLEY_MODEL`` cannot be loaded."""

    exit_code = 66


class ModelServerSilentError(StartupError):
    """``PARLEY_OPENAI_BASE_URL`` does not answer; a supervisor should try again after a while."""

    exit_code = 68

    def __init__(self, url: str) -> None:
        super().__init__(
            f"No model server answers at {url}. Start it, or correct PARLEY_OPENAI_BASE_URL."
        )

"""Parley's exceptions, all below ``ParleyError``.

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
│   ├── UnreadablePictureError
│   ├── NoKnowledgeError
│   ├── KnowledgeFullError
│   ├── FilesWaitingError
│   ├── FileTooLargeError
│   ├── FileUnavailableError
│   ├── NotAMemberError
│   ├── NotAllowedError
│   ├── NoThreadError
│   ├── TaskOffError
│   ├── QuotaError
│   ├── DeadlineError
│   └── ModelServerRefusesError
├── PlatformError             Slack or Discord
│   ├── UndeliverableError        the channel is gone or closed to the bot: do not retry
│   │   ├── MessageGoneError          the message cannot be edited any more; post another one
│   │   └── ElsewhereError            the bot, or the person addressed, is not in the channel
│   └── PlatformUnavailableError  try again later; it may have taken effect
│       ├── PlatformSilentError       no answer; it may take effect only after later calls
│       └── RateLimitedError          it took no effect; the platform says how long to wait
├── CodecError                not Parley's document, or lacks a field
│   └── NewerDocumentError        a newer process wrote it: left to one that can read it
├── ModelError                the model or its engine
│   └── EngineError               generation failed, even after the engine was rebuilt
│       └── EngineLostError           not this request's fault: another worker may answer it
└── StartupError              the process cannot start; ``exit_code`` says why
    ├── SettingsError
    ├── RedisUnavailableError
    ├── ModelUnavailableError
    ├── ModelServerSilentError
    ├── TokenError
    ├── PlatformUnreachableError
    │   └── NotThePlatformError       something else answers at its address
    └── PortInUseError
"""
# Pure. Uses babel.

from typing import ClassVar

from shared.languages import name_of
from shared.replies import Failed


class ParleyError(Exception):
    """The base class of Parley's own errors."""


class RefusedError(ParleyError):
    """The request cannot be served as it is; the fault lies in the request."""

    code: ClassVar[str] = "refused"

    @property
    def sentence(self) -> str:
        """What the person reads in the channel."""
        return str(self)

    def to_reply(self, text: str = "") -> Failed:
        """The reply that the person sees, below any text that was already written."""
        return Failed(code=self.code, sentence=self.sentence, text=text)


class EmptyMessageError(RefusedError):
    """A mention without any text."""

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
    """A message that does not fit the model's context even without history."""

    code = "prompt_too_long"

    def __init__(self, num_tokens: int, max_tokens: int, num_pictures: int = 0) -> None:
        """``num_pictures``: how many take a part of the tokens."""
        what, advice = "message", "a shorter one"
        if num_pictures:
            what, advice = "message with its pictures", "fewer pictures, or a shorter text"
        super().__init__(
            f"Your {what} is {num_tokens:,} tokens long for this model, which can read at most "
            f"{max_tokens:,}. Please send {advice}."
        )


class TooManyMessagesError(RefusedError):
    """One person sends messages faster than ``PARLEY_USER_MESSAGES_PER_MIN``."""

    code = "user_rate"

    def __init__(self, per_minute: int, wait: str) -> None:
        super().__init__(
            f"I take at most {per_minute:,} messages a minute from one person. "
            f"Please ask again in about {wait} s."
        )


class ChannelBusyError(RefusedError):
    """A channel receives messages faster than ``PARLEY_CHANNEL_MESSAGES_PER_MIN``."""

    code = "channel_rate"

    def __init__(self, per_minute: int, wait: str) -> None:
        super().__init__(
            f"I take at most {per_minute:,} messages a minute in one channel. "
            f"Please ask again in about {wait} s."
        )


class TooManyOpenError(RefusedError):
    """One person has ``PARLEY_MAX_OPEN_PER_USER`` unanswered questions."""

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
    """The messages that a task needs cannot be read."""

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
    """A person asks about a channel that they are not a member of."""

    code = "not_a_member"

    def __init__(self) -> None:
        super().__init__(
            "You are not in this channel, so I tell you nothing of what is said there. "
            "Join it and ask again."
        )


class NotAllowedError(RefusedError):
    """A person who may not ask there; an empty sentence: they were told already."""

    code = "not_allowed"


class NoThreadError(RefusedError):
    """The request needs a thread, and there is none."""

    code = "no_thread"

    def __init__(self) -> None:
        super().__init__(
            "There is no thread here. Mention me in the thread that you mean and ask again."
        )


class TaskOffError(RefusedError):
    """A task that is disabled in this channel."""

    code = "task_off"

    def __init__(self, task: str) -> None:
        super().__init__(
            f"The task “{task}” is switched off in this channel. Its administrators can switch it "
            "on in my settings."
        )


class QuotaError(RefusedError):
    """A person or a channel has used up its quota of the day."""

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
    """The platform does not deliver a file that was to be learned."""

    code = "file_unavailable"

    def __init__(self, name: str) -> None:
        super().__init__(f"I could not fetch “{name}”. Please upload it again.")


class UnreadableDocumentError(RefusedError):
    """A file that cannot be read as a document."""

    code = "document_unreadable"


class UnreadablePictureError(RefusedError):
    """A picture that cannot be shown to the model."""

    code = "picture_unreadable"

    def __init__(self, why: str) -> None:
        """``why``: what is wrong with it, behind the words “the picture”."""
        super().__init__(f"The picture {why}. Please send another one, or ask without it.")
        self.why = why


class NoKnowledgeError(RefusedError):
    """Document search is unavailable, or there are no documents."""

    code = "no_knowledge"


class KnowledgeFullError(RefusedError):
    """The documents of a channel or a workspace hold as many passages as they may."""

    code = "knowledge_full"

    def __init__(self, name: str, num_passages: int, scope: str, used: str) -> None:
        """What there is, and what would come.

        Args:
            name: the document's.
            num_passages: its passages.
            scope: ``channel`` or ``workspace``.
            used: what the other documents there hold, of what they may.
        """
        super().__init__(
            f"There is no room for {name} ({num_passages:,} passages): other documents of this "
            f"{scope} hold {used} (PARLEY_MAX_{scope.upper()}_PASSAGES). Remove some, or ask for "
            "more room."
        )


class FilesWaitingError(RefusedError):
    """``PARLEY_MAX_WAITING_MB`` of files wait to be read."""

    code = "files_waiting"

    def __init__(self, wait: str) -> None:
        super().__init__(
            "Too many files are waiting to be read already. Please send yours again in about "
            f"{wait} s."
        )


class DeadlineError(RefusedError):
    """The job's deadline passed before its answer was complete."""

    code = "deadline"

    def __init__(self, deadline_s: float) -> None:
        super().__init__(
            f"This took longer than {deadline_s:g} seconds, so I stopped. Please ask again."
        )


class ModelServerRefusesError(RefusedError):
    """The model server refuses a request, and would refuse it again."""

    code = "server_refuses"

    def __init__(self, status: int) -> None:
        super().__init__(
            f"The model server refuses this question (error {status}). The people who run it find "
            "the reason in its log; asking again does not help."
        )


class PlatformError(ParleyError):
    """Slack or Discord did not do what was asked."""


class UndeliverableError(PlatformError):
    """The channel is gone or closed to the bot: trying again cannot help."""


class MessageGoneError(UndeliverableError):
    """The bot's message was deleted, or can no longer be edited; another one may be posted."""


class ElsewhereError(UndeliverableError):
    """The bot, or the person addressed, is not in that channel."""


class PlatformUnavailableError(PlatformError):
    """A temporary fault; whether the call took effect is unknown."""


class PlatformSilentError(PlatformUnavailableError):
    """No answer in time: the call may still take effect, even after calls that are made later."""


class RateLimitedError(PlatformUnavailableError):
    """The platform's rate limit was hit: the call had no effect, nor will others for a while."""

    def __init__(
        self, retry_after_s: float, *, is_everywhere: bool = False, is_shared: bool = False
    ) -> None:
        """How long to wait, and which calls and processes it affects.

        Args:
            retry_after_s: the time to wait.
            is_everywhere: not only for this kind of call, or in this channel.
            is_shared: the other processes know it already.
        """
        super().__init__(f"rate limited for {retry_after_s:g} s")
        self.retry_after_s = retry_after_s
        self.is_everywhere = is_everywhere
        self.is_shared = is_shared


class CodecError(ParleyError):
    """A document that is not Parley's, or lacks a field."""


class NewerDocumentError(CodecError):
    """A document of a newer version, or with a word that only a newer process knows."""


class ModelError(ParleyError):
    """The model could not answer."""


class EngineError(ModelError):
    """Generation failed permanently."""


class EngineLostError(EngineError):
    """The engine cannot be repaired; its failed requests are not known to be at fault."""

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


class NotThePlatformError(PlatformUnreachableError):
    """What answers at a platform's address is not the platform: a proxy, or another server."""

    def __init__(self, platform: str, url: str, reason: str) -> None:
        """``reason``: what it answered."""
        setting = f"PARLEY_{platform.upper()}_API_URL"
        StartupError.__init__(
            self,
            f"What answers at {url} is not {platform} ({reason}): correct {setting}, or the proxy "
            "before it.",
        )


class PortInUseError(StartupError):
    """``PARLEY_HTTP_PORT`` is in use."""

    exit_code = 73


class RedisUnavailableError(StartupError):
    """Redis cannot be reached, or its configuration is not safe for jobs."""

    exit_code = 69


class ModelUnavailableError(StartupError):
    """``PARLEY_MODEL`` cannot be loaded."""

    exit_code = 66


class ModelServerSilentError(StartupError):
    """``PARLEY_OPENAI_BASE_URL`` does not answer; a supervisor should try again after a while."""

    exit_code = 68

    def __init__(self, url: str, status: int | None = None) -> None:
        """``status``: what it answers while it is not ready."""
        super().__init__(
            f"No model server answers at {url}. Start it, or correct PARLEY_OPENAI_BASE_URL."
            if status is None
            else f"The model server at {url} is not ready (it answers {status}): wait until it has "
            "loaded its model."
        )

"""Every setting, read once in each process's composition root from a mapping that is a parameter.

Names that other tools define (``SLACK_*``, ``DISCORD_TOKEN``) are unchanged; all others start with
``PARLEY_``. A missing, malformed or unknown ``PARLEY_`` key stops start-up with a sentence that
names it.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import dotenv
import platformdirs
import pydantic

from shared import bounds
from shared.access import AccessLists, AccessName, AccessOptions, parse_names
from shared.connections.address import with_certificates
from shared.errors import SettingsError
from shared.ledger.documents import KnowledgeQuota
from shared.preference_layers import Fallback
from shared.preferences import Quota, WhenToSpeak

PREFIX = "PARLEY_"
ENV_FILE = Path(".env")
PLACEHOLDERS = frozenset({"changeme", "change-me", "xxx", "todo", "your-token-here"})
DEFAULT_SYSTEM_PROMPT = (
    "You are Parley, a helpful assistant in a team's chat. Answer correctly and briefly, and in "
    "plain words."
)
"""With what chat templates put around it, it has 32 tokens or more: a block of the cache, which all
conversations of a workspace share on a processor."""
MS = 1000
DAY_S = 24 * 3600


def _data_dir() -> Path:
    return platformdirs.user_data_path("parley")


def _cache_dir() -> Path:
    return platformdirs.user_cache_path("parley")


class Settings(pydantic.BaseModel):
    """The settings of one process. Secrets print as stars."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )

    slack_bot_token: Annotated[
        pydantic.SecretStr | None,
        pydantic.Field(alias="SLACK_BOT_TOKEN", description="Slack bot token, `xoxb-…`"),
    ] = None
    slack_app_token: Annotated[
        pydantic.SecretStr | None,
        pydantic.Field(
            alias="SLACK_APP_TOKEN",
            description="Slack app token, `xapp-…`; switches Socket Mode on",
        ),
    ] = None
    slack_signing_secret: Annotated[
        pydantic.SecretStr | None,
        pydantic.Field(
            alias="SLACK_SIGNING_SECRET",
            description="Slack signing secret, for events over HTTP instead of Socket Mode",
        ),
    ] = None
    slack_client_id: Annotated[
        str | None,
        pydantic.Field(
            alias="PARLEY_SLACK_CLIENT_ID",
            description="Slack app's client id: several workspaces install the app, and no"
            " SLACK_BOT_TOKEN is set",
        ),
    ] = None
    slack_client_secret: Annotated[
        pydantic.SecretStr | None,
        pydantic.Field(
            alias="PARLEY_SLACK_CLIENT_SECRET",
            description="Slack app's client secret, for the same",
        ),
    ] = None
    secret_key: Annotated[
        pydantic.SecretStr | None,
        pydantic.Field(
            alias="PARLEY_SECRET_KEY",
            description="Fernet key that seals the workspaces' tokens; a new one goes before the"
            " old ones, with commas between",
        ),
    ] = None
    discord_token: Annotated[
        pydantic.SecretStr | None,
        pydantic.Field(alias="DISCORD_TOKEN", description="Discord bot token"),
    ] = None
    redis_ca: Annotated[
        Path | None,
        pydantic.Field(
            alias="PARLEY_REDIS_CA",
            description="PEM file of the authority that signed the certificate of a `rediss://`"
            " Redis; absent: those that the system trusts",
        ),
    ] = None
    redis_cert: Annotated[
        Path | None,
        pydantic.Field(
            alias="PARLEY_REDIS_CERT",
            description="PEM file of Parley's own certificate, for a Redis that wants one",
        ),
    ] = None
    redis_key: Annotated[
        Path | None,
        pydantic.Field(alias="PARLEY_REDIS_KEY", description="PEM file of that certificate's key"),
    ] = None
    redis_url: Annotated[
        pydantic.SecretStr | None,
        pydantic.Field(
            alias="PARLEY_REDIS_URL",
            description="Redis to use: `redis://`, `rediss://` (TLS), `unix://` or"
            " `redis+sentinel://`; absent: an embedded one",
        ),
    ] = None
    allow_volatile_redis: Annotated[
        bool,
        pydantic.Field(
            alias="PARLEY_ALLOW_VOLATILE_REDIS",
            description="accept a Redis that may lose data (no append-only file, or evicting keys)",
        ),
    ] = False
    model: Annotated[
        str,
        pydantic.Field(
            alias="PARLEY_MODEL",
            description="causal language model: hub id or path; absent: SmolLM2-135M-Instruct",
            min_length=1,
        ),
    ] = "default"
    engine: Annotated[
        Literal["auto", "openvino", "llamacpp", "transformers", "openai"],
        pydantic.Field(
            alias="PARLEY_ENGINE",
            description="what runs the model; openvino: on a processor, from a GGUF file or an"
            " OpenVINO folder; llamacpp: the same for GGUF files of other families; transformers:"
            " on any device; auto: the first of them that can; openai: a model server",
        ),
    ] = "auto"
    openai_base_url: Annotated[
        pydantic.HttpUrl | None,
        pydantic.Field(
            alias="PARLEY_OPENAI_BASE_URL",
            description="model server (vLLM, Ollama, llama.cpp) for the engine openai, such as"
            " `http://gpu1:8000/v1`; PARLEY_MODEL is the model's name there",
        ),
    ] = None
    openai_api_key: Annotated[
        pydantic.SecretStr | None,
        pydantic.Field(alias="PARLEY_OPENAI_API_KEY", description="its key, if it wants one"),
    ] = None
    openai_context_tokens: Annotated[
        int | None,
        pydantic.Field(
            alias="PARLEY_OPENAI_CONTEXT_TOKENS",
            ge=512,
            le=100_000_000,
            description="longest prompt and answer there; absent: as the server says, else 8,192",
        ),
    ] = None
    device: Annotated[
        Literal["auto", "cuda", "mps", "cpu"],
        pydantic.Field(alias="PARLEY_DEVICE", description="where the model runs"),
    ] = "auto"
    dtype: Annotated[
        Literal["auto", "float64", "float32", "bfloat16", "float16"],
        pydantic.Field(
            alias="PARLEY_DTYPE", description="number format; auto: bfloat16 on a GPU, else float32"
        ),
    ] = "auto"
    concurrency: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_CONCURRENCY", ge=1, le=512, description="answers written at once a worker"
        ),
    ] = 16
    queues: Annotated[
        frozenset[Literal["chat", "tag", "index"]],
        pydantic.Field(
            alias="PARLEY_QUEUES",
            min_length=1,
            description="what a worker takes, by commas: `chat` (all that the model writes), `tag`"
            " (ratings), `index` (documents); without `chat` it loads no chat model",
        ),
    ] = frozenset({"chat", "tag", "index"})
    cache_tokens: Annotated[
        int | None,
        pydantic.Field(
            alias="PARLEY_CACHE_TOKENS",
            ge=512,
            le=100_000_000,
            description="size of the key-value cache; absent: from the memory there is",
        ),
    ] = None
    max_new_tokens: Annotated[
        int | None,
        pydantic.Field(
            alias="PARLEY_MAX_NEW_TOKENS",
            ge=1,
            le=1_000_000,
            description="longest answer in tokens; absent: as the model's maker says, else what the"
            " model's context leaves",
        ),
    ] = None
    thinking: Annotated[
        Literal["auto", "off", "on"],
        pydantic.Field(
            alias="PARLEY_THINKING",
            description="whether a model that can think before it answers does; auto: as it does by"
            " itself; channels can choose in `/settings`",
        ),
    ] = "auto"
    max_thinking_tokens: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_MAX_THINKING_TOKENS",
            ge=0,
            le=1_000_000,
            description="longest thought in tokens, apart from the answer's",
        ),
    ] = 4096
    temperature: Annotated[
        float | None,
        pydantic.Field(
            alias="PARLEY_TEMPERATURE",
            ge=0,
            le=2,
            description="0 is always the likeliest token; absent: as the model's"
            " `generation_config` or the model server says, and so for the next four",
        ),
    ] = None
    top_p: Annotated[
        float | None,
        pydantic.Field(alias="PARLEY_TOP_P", gt=0, le=1, description="nucleus sampling"),
    ] = None
    top_k: Annotated[
        int | None,
        pydantic.Field(
            alias="PARLEY_TOP_K", ge=0, le=1_000_000, description="so many likeliest tokens; 0: all"
        ),
    ] = None
    min_p: Annotated[
        float | None,
        pydantic.Field(
            alias="PARLEY_MIN_P",
            ge=0,
            le=1,
            description="tokens with this share of the likeliest one's probability",
        ),
    ] = None
    repetition_penalty: Annotated[
        float | None,
        pydantic.Field(
            alias="PARLEY_REPETITION_PENALTY",
            gt=0,
            le=10,
            description="above 1, tokens that were there already become less likely",
        ),
    ] = None
    system_prompt: Annotated[
        str,
        pydantic.Field(alias="PARLEY_SYSTEM_PROMPT", description="what the model is told first"),
    ] = DEFAULT_SYSTEM_PROMPT
    prompts_dir: Annotated[
        Path | None,
        pydantic.Field(
            alias="PARLEY_PROMPTS_DIR",
            description="folder whose files replace the prompts of their names; absent: ours",
        ),
    ] = None
    translation_model: Annotated[
        str | None,
        pydantic.Field(
            alias="PARLEY_TRANSLATION_MODEL",
            description="translation model (Marian, NLLB): hub id or path; absent: the chat model",
        ),
    ] = None
    embedding_model: Annotated[
        str,
        pydantic.Field(
            alias="PARLEY_EMBEDDING_MODEL",
            description="sentence embeddings: hub id or path; absent: all-MiniLM-L6-v2",
            min_length=1,
        ),
    ] = "default"
    answer_by: Annotated[
        Literal["auto", "quoting", "writing"],
        pydantic.Field(
            alias="PARLEY_ANSWER_BY",
            description="answers from documents, and summaries: word for word, or in the model's"
            " words; auto: quoting below a billion parameters",
        ),
    ] = "auto"
    sentiment_model: Annotated[
        str,
        pydantic.Field(
            alias="PARLEY_SENTIMENT_MODEL",
            description="sequence classification model: hub id or path; absent: ours",
            min_length=1,
        ),
    ] = "default"
    sentiment_reactions: Annotated[
        bool,
        pydantic.Field(
            alias="PARLEY_SENTIMENT_REACTIONS",
            description="mark clearly positive and negative messages with a reaction",
        ),
    ] = True
    sentiment_alert_drop: Annotated[
        float,
        pydantic.Field(
            alias="PARLEY_SENTIMENT_ALERT_DROP",
            ge=0,
            le=8,
            description="a channel is told when its mean over a day falls by so much (the scale is"
            " -4 to 4); 0: never",
        ),
    ] = 0
    auto_reply_channels: Annotated[
        dict[str, WhenToSpeak],
        pydantic.Field(
            alias="PARLEY_AUTO_REPLY_CHANNELS",
            description="channel ids, by commas, where every message is answered;"
            " `CHANNEL=questions`: only questions",
        ),
    ] = {}
    answer_bots: Annotated[
        frozenset[str],
        pydantic.Field(
            alias="PARLEY_ANSWER_BOTS",
            description="user ids of other bots that are answered, by commas",
        ),
    ] = frozenset()
    allowed: Annotated[
        frozenset[AccessName],
        pydantic.Field(
            alias="PARLEY_ALLOWED",
            description="who may ask, by commas, such as `slack:T012AB3CD` or"
            " `discord:1234/role:5678` (see docs/access.md); absent: everybody",
        ),
    ] = frozenset()
    denied: Annotated[
        frozenset[AccessName],
        pydantic.Field(
            alias="PARLEY_DENIED",
            description="who may not ask, in the same form; goes before PARLEY_ALLOWED",
        ),
    ] = frozenset()
    access_reply: Annotated[
        Literal["sentence", "nothing"],
        pydantic.Field(
            alias="PARLEY_ACCESS_REPLY",
            description="what a person who may not ask reads, privately and once a day",
        ),
    ] = "sentence"
    access_contact: Annotated[
        str,
        pydantic.Field(
            alias="PARLEY_ACCESS_CONTACT",
            max_length=200,
            description="whom that sentence says to ask, such as an address; absent: the people who"
            " run Parley",
        ),
    ] = ""
    discord_user_installs: Annotated[
        bool,
        pydantic.Field(
            alias="PARLEY_DISCORD_USER_INSTALLS",
            description="whether people who install the app for themselves may use it in servers"
            " that have not added it",
        ),
    ] = False
    admins: Annotated[
        frozenset[str],
        pydantic.Field(
            alias="PARLEY_ADMINS",
            description="user ids, by commas, of people who may change settings in the chat, beside"
            " the platforms' administrators",
        ),
    ] = frozenset()
    quota_user_messages: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_QUOTA_USER_MESSAGES",
            ge=0,
            description="messages a day of a person; 0: any",
        ),
    ] = 0
    quota_user_tokens: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_QUOTA_USER_TOKENS", ge=0, description="tokens a day of a person; 0: any"
        ),
    ] = 0
    quota_channel_messages: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_QUOTA_CHANNEL_MESSAGES",
            ge=0,
            description="messages a day in a channel; 0: any",
        ),
    ] = 0
    quota_channel_tokens: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_QUOTA_CHANNEL_TOKENS",
            ge=0,
            description="tokens a day in a channel; 0: any",
        ),
    ] = 0
    quota_workspace_tokens: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_QUOTA_WORKSPACE_TOKENS",
            ge=0,
            description="tokens a day of a workspace or a server, which `/settings` there cannot"
            " raise; 0: any",
        ),
    ] = 0
    translate_channels: Annotated[
        dict[str, str],
        pydantic.Field(
            alias="PARLEY_TRANSLATE_CHANNELS",
            description="`CHANNEL=LANGUAGE` by commas: what is written there is translated, in a"
            " thread",
        ),
    ] = {}
    learn_pins_channels: Annotated[
        frozenset[str],
        pydantic.Field(
            alias="PARLEY_LEARN_PINS_CHANNELS",
            description="channel ids, by commas, whose pinned messages answer questions there",
        ),
    ] = frozenset()
    sentiment_channels: Annotated[
        frozenset[str],
        pydantic.Field(
            alias="PARLEY_SENTIMENT_CHANNELS",
            description="channel ids, by commas, whose messages are rated for `/sentiment`",
        ),
    ] = frozenset()
    max_upload_mb: Annotated[
        float,
        pydantic.Field(
            alias="PARLEY_MAX_UPLOAD_MB",
            gt=0,
            le=100,
            description="largest file that is learned from an upload",
        ),
    ] = 10
    max_channel_passages: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_MAX_CHANNEL_PASSAGES",
            ge=0,
            description="passages of a channel's documents, and 4 kB for each of them; 0: any",
        ),
    ] = bounds.MAX_CHANNEL_PASSAGES
    max_workspace_passages: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_MAX_WORKSPACE_PASSAGES",
            ge=0,
            description="the same of a workspace's or server's documents, and of those for"
            " everybody",
        ),
    ] = bounds.MAX_WORKSPACE_PASSAGES
    max_waiting_mb: Annotated[
        float,
        pydantic.Field(
            alias="PARLEY_MAX_WAITING_MB",
            gt=0,
            description="files of all questions and uploads that wait or are read, in the memory"
            " of Redis",
        ),
    ] = bounds.MAX_WAITING_MB
    read_pictures: Annotated[
        bool,
        pydantic.Field(
            alias="PARLEY_READ_PICTURES",
            description="show pictures beside a question to the model, if it and its engine can"
            " (see docs/models.md)",
        ),
    ] = False
    max_message_chars: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_MAX_MESSAGE_CHARS", ge=1, description="longest message that is read"
        ),
    ] = 20_000
    user_messages_per_min: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_USER_MESSAGES_PER_MIN", ge=1, description="messages taken from one person"
        ),
    ] = 20
    channel_messages_per_min: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_CHANNEL_MESSAGES_PER_MIN",
            ge=1,
            description="messages taken in one channel",
        ),
    ] = 120
    max_open_per_user: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_MAX_OPEN_PER_USER",
            ge=1,
            description="questions of one person that may wait at once",
        ),
    ] = 5
    max_queue: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_MAX_QUEUE", ge=1, description="questions of all that may wait at once"
        ),
    ] = 1000
    lookback_s: Annotated[
        float,
        pydantic.Field(
            alias="PARLEY_LOOKBACK_S",
            ge=0,
            le=86_400,
            description="how old a message that nobody heard may be to be answered late; 0: never",
        ),
    ] = 600
    spool_messages: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_SPOOL_MESSAGES",
            ge=0,
            description="Discord messages kept on disk while Redis is away",
        ),
    ] = 10_000
    max_parts: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_MAX_PARTS",
            ge=1,
            le=50,
            description="messages that an answer is shown in; a longer one goes on in a file",
        ),
    ] = 6
    max_turns: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_MAX_TURNS", ge=2, description="remembered messages a conversation"
        ),
    ] = 50
    retention_days: Annotated[
        float,
        pydantic.Field(
            alias="PARLEY_RETENTION_DAYS",
            ge=0.001,
            le=36_500,
            description="a silent conversation is forgotten",
        ),
    ] = 30
    deadline_s: Annotated[
        float,
        pydantic.Field(
            alias="PARLEY_DEADLINE_S",
            ge=1,
            le=86_400,
            description="longest time from message to answer",
        ),
    ] = 600
    lease_s: Annotated[
        float,
        pydantic.Field(
            alias="PARLEY_LEASE_S",
            ge=1,
            le=3_600,
            description="a dead worker's job is taken over after this",
        ),
    ] = 10
    max_attempts: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_MAX_ATTEMPTS", ge=1, description="runs of a job before it is given up"
        ),
    ] = 3
    stop_s: Annotated[
        float,
        pydantic.Field(
            alias="PARLEY_STOP_S",
            ge=0,
            le=3_600,
            description="a worker that is to end finishes its answers for so long, then hands on",
        ),
    ] = 20
    redis_replicas: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_REDIS_REPLICAS",
            ge=0,
            description="replicas that must have a message before it counts as accepted",
        ),
    ] = 0
    slack_api_url: Annotated[
        pydantic.HttpUrl,
        pydantic.Field(alias="PARLEY_SLACK_API_URL", description="root of Slack's Web API"),
    ] = pydantic.HttpUrl("https://slack.com/api/")
    discord_api_url: Annotated[
        pydantic.HttpUrl,
        pydantic.Field(alias="PARLEY_DISCORD_API_URL", description="root of Discord's REST API"),
    ] = pydantic.HttpUrl("https://discord.com/api/v10")
    discord_gateway_url: Annotated[
        pydantic.WebsocketUrl | None,
        pydantic.Field(
            alias="PARLEY_DISCORD_GATEWAY_URL", description="Discord's gateway; absent: as it says"
        ),
    ] = None
    http_host: Annotated[
        str,
        pydantic.Field(
            alias="PARLEY_HTTP_HOST", description="address for Slack events, health and metrics"
        ),
    ] = "127.0.0.1"
    http_port: Annotated[
        int,
        pydantic.Field(
            alias="PARLEY_HTTP_PORT", ge=1, le=65_535, description="port of the same; see doctor"
        ),
    ] = 8377
    data_dir: Annotated[
        Path,
        pydantic.Field(
            alias="PARLEY_DATA_DIR",
            default_factory=_data_dir,
            description="embedded Redis and logs; absent: the user's data folder",
        ),
    ]
    cache_dir: Annotated[
        Path,
        pydantic.Field(
            alias="PARLEY_CACHE_DIR",
            default_factory=_cache_dir,
            description="converted models; absent: the user's cache folder",
        ),
    ]
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        pydantic.Field(alias="PARLEY_LOG_LEVEL", description="least severe log line written"),
    ] = "INFO"

    @pydantic.field_validator(
        "queues",
        "answer_bots",
        "admins",
        "learn_pins_channels",
        "sentiment_channels",
        mode="before",
    )
    @classmethod
    def _split_by_commas(cls, value: object) -> object:
        return frozenset(_parts(value)) if isinstance(value, str) else value

    @pydantic.field_validator("allowed", "denied", mode="before")
    @classmethod
    def _read_names(cls, value: object) -> object:
        return parse_names(value) if isinstance(value, str) else value

    @pydantic.field_validator("engine", mode="before")
    @classmethod
    def _rename_engine(cls, value: object) -> object:
        """``lean`` was the name of the engine for processors until OpenVINO took its place."""
        return "auto" if value == "lean" else value

    @pydantic.field_validator("auto_reply_channels", mode="before")
    @classmethod
    def _split_modes(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in _parts(value)]
        return {channel.strip(): mode.strip() or WhenToSpeak.ALWAYS for channel, _, mode in pairs}

    @pydantic.field_validator("translate_channels", mode="before")
    @classmethod
    def _split_pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in _parts(value)]
        if not all(channel and language for channel, _, language in pairs):
            raise ValueError("needs CHANNEL=LANGUAGE, with commas between, such as C012=fr")
        return {channel.strip(): language.strip() for channel, _, language in pairs}

    @pydantic.field_validator("redis_url")
    @classmethod
    def _add_certificates(
        cls, value: pydantic.SecretStr | None, info: pydantic.ValidationInfo
    ) -> pydantic.SecretStr | None:
        if value is None:
            return None
        options = {
            "ssl_ca_certs": info.data.get("redis_ca"),
            "ssl_certfile": info.data.get("redis_cert"),
            "ssl_keyfile": info.data.get("redis_key"),
        }
        files = {option: str(path) for option, path in options.items() if path}
        return pydantic.SecretStr(with_certificates(value.get_secret_value(), files))

    @pydantic.field_validator(
        "slack_bot_token",
        "slack_app_token",
        "slack_signing_secret",
        "slack_client_secret",
        "secret_key",
        "discord_token",
        "openai_api_key",
    )
    @classmethod
    def _refuse_placeholders(cls, value: pydantic.SecretStr | None) -> pydantic.SecretStr | None:
        secret = value.get_secret_value().strip() if value else None
        if secret is not None and (not secret or secret.lower() in PLACEHOLDERS):
            raise ValueError("is empty or a placeholder; put the real value or remove the line")
        return value

    @property
    def runs_slack(self) -> bool:
        """Whether all that the Slack adapter needs is set."""
        return self.slack_bot_token is not None or self.is_installed

    @property
    def is_installed(self) -> bool:
        """Whether workspaces install the Slack app themselves, through OAuth."""
        return self.slack_client_id is not None

    @property
    def runs_discord(self) -> bool:
        """Whether all that the Discord adapter needs is set."""
        return self.discord_token is not None

    @property
    def fallback(self) -> Fallback:
        """The lowest layer of preferences: applies where no workspace or channel sets its own."""
        return Fallback(
            channels=self.auto_reply_channels,
            answer_bots=self.answer_bots,
            user_quota=Quota(self.quota_user_messages, self.quota_user_tokens),
            channel_quota=Quota(self.quota_channel_messages, self.quota_channel_tokens),
            workspace_quota=Quota(tokens=self.quota_workspace_tokens or None),
        )

    @property
    def access(self) -> AccessOptions:
        """Who may ask."""
        return AccessOptions(
            AccessLists(self.allowed, self.denied),
            user_installs=self.discord_user_installs,
            is_told=self.access_reply == "sentence",
            contact=self.access_contact.strip(),
        )

    @property
    def knowledge_quota(self) -> KnowledgeQuota:
        """What the documents of places may hold."""
        return KnowledgeQuota(self.max_channel_passages, self.max_workspace_passages)

    @property
    def deadline_ms(self) -> int:
        """The deadline in ms."""
        return round(self.deadline_s * MS)

    @property
    def lease_ms(self) -> int:
        """The lease in ms."""
        return round(self.lease_s * MS)

    @property
    def retention_ms(self) -> int:
        """The retention in ms."""
        return round(self.retention_days * DAY_S * MS)

    @pydantic.model_validator(mode="after")
    def _require_redis_of_certificates(self) -> "Settings":
        named = {
            "PARLEY_REDIS_CA": self.redis_ca,
            "PARLEY_REDIS_CERT": self.redis_cert,
            "PARLEY_REDIS_KEY": self.redis_key,
        }
        unused = [name for name, path in named.items() if path]
        if unused and self.redis_url is None:
            raise ValueError(
                f"{unused[0]} is for a Redis of your own: set PARLEY_REDIS_URL to its rediss://"
                " address, or remove the file"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _require_model_server(self) -> "Settings":
        if self.engine == "openai" and self.openai_base_url is None:
            raise ValueError(
                "PARLEY_ENGINE is openai, which needs PARLEY_OPENAI_BASE_URL: the address of a"
                " model server, such as http://gpu1:8000/v1"
            )
        if self.engine != "openai" and self.openai_base_url is not None:
            raise ValueError(
                "PARLEY_OPENAI_BASE_URL is for PARLEY_ENGINE=openai: set that, or remove the"
                " address"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _require_slack_pair(self) -> "Settings":
        if self.slack_client_id or self.slack_client_secret:
            return self._require_installing()
        has_way_in = self.slack_app_token or self.slack_signing_secret
        if self.slack_bot_token and not has_way_in:
            raise ValueError(
                "SLACK_BOT_TOKEN needs SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP)"
                " beside it"
            )
        if has_way_in and not self.slack_bot_token:
            raise ValueError("SLACK_BOT_TOKEN is missing beside the other Slack settings")
        return self

    def _require_installing(self) -> "Settings":
        needed = {
            "PARLEY_SLACK_CLIENT_ID": self.slack_client_id,
            "PARLEY_SLACK_CLIENT_SECRET": self.slack_client_secret,
            "PARLEY_SECRET_KEY": self.secret_key,
            "SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP)": self.slack_app_token
            or self.slack_signing_secret,
        }
        missing = [name for name, value in needed.items() if not value]
        if missing:
            raise ValueError(
                f"For several Slack workspaces {', '.join(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} missing"
            )
        if self.slack_bot_token:
            raise ValueError(
                "SLACK_BOT_TOKEN is of one workspace and PARLEY_SLACK_CLIENT_ID for several: set "
                "one of them"
            )
        return self


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


KEYS = tuple(str(field.alias) for field in Settings.model_fields.values())


def read_settings(environ: Mapping[str, str], env_file: Path | None = ENV_FILE) -> Settings:
    """Read and check the settings; the environment goes before the file.

    An empty value counts as absent, because Compose and shells set it that way.

    Raises:
        SettingsError: a key is missing, malformed or unknown. The sentence names the key and never
            repeats a secret.
    """
    is_there = env_file is not None and env_file.is_file()
    from_file = dotenv.dotenv_values(env_file, interpolate=False) if is_there else {}
    _refuse_unknown({**from_file, **environ})
    values = {key: environ.get(key) or from_file.get(key) for key in KEYS}
    values = {key: value for key, value in values.items() if value}
    try:
        return Settings.model_validate(values)
    except pydantic.ValidationError as error:
        raise SettingsError(_sentence(error)) from None


def _refuse_unknown(merged: Mapping[str, object]) -> None:
    for key in sorted(merged):
        if key.startswith(PREFIX) and key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else "see the settings table in README.md."
            raise SettingsError(f"{key} is not a setting of Parley: {hint}")


def _sentence(error: pydantic.ValidationError) -> str:
    first = error.errors()[0]
    reason = first["msg"].removeprefix("Value error, ").rstrip(".")
    if not first["loc"]:
        return f"{reason}."
    return f"{first['loc'][0]} {reason[0].lower()}{reason[1:]}."

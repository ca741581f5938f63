"""Every key is read, and whatever is wrong with one is said with its name and without its value."""

import difflib
import traceback
from pathlib import Path
from typing import Any

import pydantic
import pytest

from shared.access import AccessName, NameKind
from shared.errors import SettingsError
from shared.jobs import Platform
from shared.settings import KEYS, PLACEHOLDERS, Settings, read_settings

CANARY = "canary-7f3a"
SLACK = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
MODEL_SERVER = {
    "PARLEY_OPENAI_BASE_URL": "http://gpu1:8000/v1",
    "PARLEY_OPENAI_API_KEY": CANARY,
}
CERTIFICATES = ("PARLEY_REDIS_CA", "PARLEY_REDIS_CERT", "PARLEY_REDIS_KEY")
SECRETS = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "DISCORD_TOKEN")

# key, value as written, attribute, value as read
VALUES: list[tuple[str, str, str, Any]] = [
    ("PARLEY_ALLOW_VOLATILE_REDIS", "1", "allow_volatile_redis", True),
    ("PARLEY_ALLOW_VOLATILE_REDIS", "false", "allow_volatile_redis", False),
    ("PARLEY_MODEL", "Qwen/Qwen3-4B", "model", "Qwen/Qwen3-4B"),
    ("PARLEY_ENGINE", "openvino", "engine", "openvino"),
    ("PARLEY_ENGINE", "lean", "engine", "auto"),
    ("PARLEY_OPENAI_CONTEXT_TOKENS", "4096", "openai_context_tokens", 4096),
    ("PARLEY_DEVICE", "cuda", "device", "cuda"),
    ("PARLEY_DTYPE", "bfloat16", "dtype", "bfloat16"),
    ("PARLEY_CONCURRENCY", "64", "concurrency", 64),
    ("PARLEY_QUEUES", "tag, index", "queues", frozenset({"tag", "index"})),
    ("PARLEY_CACHE_TOKENS", "4096", "cache_tokens", 4096),
    ("PARLEY_MAX_NEW_TOKENS", "1", "max_new_tokens", 1),
    ("PARLEY_TEMPERATURE", "0.7", "temperature", 0.7),
    ("PARLEY_TOP_P", "1", "top_p", 1.0),
    ("PARLEY_TOP_K", "20", "top_k", 20),
    ("PARLEY_MIN_P", "0", "min_p", 0.0),
    ("PARLEY_REPETITION_PENALTY", "1.05", "repetition_penalty", 1.05),
    ("PARLEY_THINKING", "off", "thinking", "off"),
    ("PARLEY_MAX_THINKING_TOKENS", "0", "max_thinking_tokens", 0),
    ("PARLEY_SYSTEM_PROMPT", "Be kind.\nBe brief.", "system_prompt", "Be kind.\nBe brief."),
    ("PARLEY_AUTO_REPLY_CHANNELS", "C1", "auto_reply_channels", {"C1": "always"}),
    (
        "PARLEY_AUTO_REPLY_CHANNELS",
        " C1 , ,C2 = questions,",
        "auto_reply_channels",
        {"C1": "always", "C2": "questions"},
    ),
    ("PARLEY_AUTO_REPLY_CHANNELS", ",", "auto_reply_channels", {}),
    ("PARLEY_ANSWER_BOTS", "U1,U2", "answer_bots", frozenset({"U1", "U2"})),
    ("PARLEY_ADMINS", "U1", "admins", frozenset({"U1"})),
    (
        "PARLEY_ALLOWED",
        "slack:T1, discord:2/role:3",
        "allowed",
        frozenset(
            {
                AccessName(Platform.SLACK, "T1"),
                AccessName(Platform.DISCORD, "2", NameKind.ROLE, "3"),
            }
        ),
    ),
    (
        "PARLEY_DENIED",
        "slack:*/guests",
        "denied",
        frozenset({AccessName(Platform.SLACK, "*", NameKind.KNOWN, "guests")}),
    ),
    ("PARLEY_ACCESS_REPLY", "nothing", "access_reply", "nothing"),
    ("PARLEY_ACCESS_CONTACT", "it@example.org", "access_contact", "it@example.org"),
    ("PARLEY_DISCORD_USER_INSTALLS", "1", "discord_user_installs", True),
    ("PARLEY_QUOTA_WORKSPACE_TOKENS", "50000", "quota_workspace_tokens", 50000),
    ("PARLEY_QUOTA_USER_MESSAGES", "5", "quota_user_messages", 5),
    ("PARLEY_QUOTA_USER_TOKENS", "500", "quota_user_tokens", 500),
    ("PARLEY_QUOTA_CHANNEL_MESSAGES", "50", "quota_channel_messages", 50),
    ("PARLEY_QUOTA_CHANNEL_TOKENS", "5000", "quota_channel_tokens", 5000),
    ("PARLEY_PROMPTS_DIR", "/prompts", "prompts_dir", Path("/prompts")),
    ("PARLEY_TRANSLATION_MODEL", "nllb", "translation_model", "nllb"),
    ("PARLEY_EMBEDDING_MODEL", "mini", "embedding_model", "mini"),
    ("PARLEY_ANSWER_BY", "quoting", "answer_by", "quoting"),
    ("PARLEY_SENTIMENT_MODEL", "mine", "sentiment_model", "mine"),
    ("PARLEY_SENTIMENT_REACTIONS", "0", "sentiment_reactions", False),
    ("PARLEY_SENTIMENT_ALERT_DROP", "0.5", "sentiment_alert_drop", 0.5),
    (
        "PARLEY_TRANSLATE_CHANNELS",
        "C1=fr, C2 = de,",
        "translate_channels",
        {"C1": "fr", "C2": "de"},
    ),
    ("PARLEY_LEARN_PINS_CHANNELS", "C1", "learn_pins_channels", frozenset({"C1"})),
    ("PARLEY_SENTIMENT_CHANNELS", "C1,C2", "sentiment_channels", frozenset({"C1", "C2"})),
    ("PARLEY_MAX_UPLOAD_MB", "0.5", "max_upload_mb", 0.5),
    ("PARLEY_MAX_CHANNEL_PASSAGES", "0", "max_channel_passages", 0),
    ("PARLEY_MAX_WORKSPACE_PASSAGES", "500", "max_workspace_passages", 500),
    ("PARLEY_MAX_WAITING_MB", "50.5", "max_waiting_mb", 50.5),
    ("PARLEY_READ_PICTURES", "1", "read_pictures", True),
    ("PARLEY_MAX_MESSAGE_CHARS", "100", "max_message_chars", 100),
    ("PARLEY_USER_MESSAGES_PER_MIN", "1", "user_messages_per_min", 1),
    ("PARLEY_CHANNEL_MESSAGES_PER_MIN", "1000", "channel_messages_per_min", 1000),
    ("PARLEY_MAX_OPEN_PER_USER", "1", "max_open_per_user", 1),
    ("PARLEY_MAX_QUEUE", "50000", "max_queue", 50_000),
    ("PARLEY_LOOKBACK_S", "0", "lookback_s", 0.0),
    ("PARLEY_SPOOL_MESSAGES", "0", "spool_messages", 0),
    ("PARLEY_MAX_PARTS", "3", "max_parts", 3),
    ("PARLEY_MAX_TURNS", "2", "max_turns", 2),
    ("PARLEY_RETENTION_DAYS", "0.5", "retention_ms", 43_200_000),  # half of 86,400,000
    ("PARLEY_DEADLINE_S", "1.5", "deadline_ms", 1500),
    ("PARLEY_LEASE_S", "2", "lease_ms", 2000),
    ("PARLEY_MAX_ATTEMPTS", "1", "max_attempts", 1),
    ("PARLEY_STOP_S", "0", "stop_s", 0.0),
    ("PARLEY_REDIS_REPLICAS", "2", "redis_replicas", 2),
    (
        "PARLEY_SLACK_API_URL",
        "http://127.0.0.1:1/api/",
        "slack_api_url",
        pydantic.HttpUrl("http://127.0.0.1:1/api/"),
    ),
    (
        "PARLEY_DISCORD_API_URL",
        "http://127.0.0.1:1/api/v10",
        "discord_api_url",
        pydantic.HttpUrl("http://127.0.0.1:1/api/v10"),
    ),
    (
        "PARLEY_DISCORD_GATEWAY_URL",
        "ws://127.0.0.1:1",
        "discord_gateway_url",
        pydantic.WebsocketUrl("ws://127.0.0.1:1"),
    ),
    ("PARLEY_HTTP_HOST", "0.0.0.0", "http_host", "0.0.0.0"),
    ("PARLEY_HTTP_PORT", "65535", "http_port", 65_535),
    ("PARLEY_DATA_DIR", "/data", "data_dir", Path("/data")),
    ("PARLEY_CACHE_DIR", "/cache", "cache_dir", Path("/cache")),
    ("PARLEY_LOG_LEVEL", "DEBUG", "log_level", "DEBUG"),
]

MALFORMED = [
    ("PARLEY_ALLOW_VOLATILE_REDIS", "perhaps"),
    ("PARLEY_ENGINE", "vllm"),
    ("PARLEY_DEVICE", "tpu"),
    ("PARLEY_DTYPE", "int8"),
    ("PARLEY_CONCURRENCY", "many"),
    ("PARLEY_CONCURRENCY", "0"),
    ("PARLEY_CONCURRENCY", "513"),
    ("PARLEY_CONCURRENCY", "1.5"),
    ("PARLEY_CACHE_TOKENS", "255"),
    ("PARLEY_MAX_NEW_TOKENS", "0"),
    ("PARLEY_MAX_NEW_TOKENS", "1000001"),
    ("PARLEY_TEMPERATURE", "-0.1"),
    ("PARLEY_TEMPERATURE", "2.1"),
    ("PARLEY_TEMPERATURE", "nan"),
    ("PARLEY_TOP_P", "0"),
    ("PARLEY_TOP_P", "1.1"),
    ("PARLEY_ANSWER_BY", "guessing"),
    ("PARLEY_SENTIMENT_REACTIONS", "perhaps"),
    ("PARLEY_SENTIMENT_ALERT_DROP", "-1"),
    ("PARLEY_AUTO_REPLY_CHANNELS", "C1=sometimes"),
    ("PARLEY_QUOTA_USER_MESSAGES", "-1"),
    ("PARLEY_QUOTA_USER_TOKENS", "-1"),
    ("PARLEY_QUOTA_CHANNEL_MESSAGES", "-1"),
    ("PARLEY_QUOTA_CHANNEL_TOKENS", "many"),
    ("PARLEY_TRANSLATE_CHANNELS", "C1"),
    ("PARLEY_TRANSLATE_CHANNELS", "C1="),
    ("PARLEY_MAX_UPLOAD_MB", "0"),
    ("PARLEY_MAX_CHANNEL_PASSAGES", "-1"),
    ("PARLEY_MAX_WORKSPACE_PASSAGES", "many"),
    ("PARLEY_MAX_WAITING_MB", "0"),
    ("PARLEY_MAX_MESSAGE_CHARS", "0"),
    ("PARLEY_USER_MESSAGES_PER_MIN", "0"),
    ("PARLEY_CHANNEL_MESSAGES_PER_MIN", "0.5"),
    ("PARLEY_MAX_OPEN_PER_USER", "0"),
    ("PARLEY_MAX_QUEUE", "0"),
    ("PARLEY_LOOKBACK_S", "-1"),
    ("PARLEY_SPOOL_MESSAGES", "-1"),
    ("PARLEY_STOP_S", "-1"),
    ("PARLEY_STOP_S", "inf"),
    ("PARLEY_REDIS_REPLICAS", "-1"),
    ("PARLEY_MAX_TURNS", "1"),
    ("PARLEY_RETENTION_DAYS", "0"),
    ("PARLEY_RETENTION_DAYS", "inf"),
    ("PARLEY_DEADLINE_S", "-1"),
    ("PARLEY_DEADLINE_S", "inf"),
    ("PARLEY_LEASE_S", "0.5"),
    ("PARLEY_LEASE_S", "inf"),
    ("PARLEY_MAX_ATTEMPTS", "0"),
    ("PARLEY_SLACK_API_URL", "slack.com"),
    ("PARLEY_SLACK_API_URL", "ftp://slack.com"),
    ("PARLEY_DISCORD_API_URL", "discord"),
    ("PARLEY_DISCORD_GATEWAY_URL", "https://discord.com"),
    ("PARLEY_HTTP_PORT", "0"),
    ("PARLEY_HTTP_PORT", "65536"),
    ("PARLEY_LOG_LEVEL", "LOUD"),
]


def read(environ: dict[str, str]) -> Settings:
    return read_settings(environ, env_file=None)


def refusal_of(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as refusal:
        read(environ)
    return str(refusal.value)


def test_settings_all_have_defaults() -> None:
    settings = read({})

    assert not settings.runs_slack
    assert not settings.runs_discord
    assert settings.redis_url is None
    assert settings.model == "default"
    assert settings.http_host == "127.0.0.1"
    assert str(settings.slack_api_url) == "https://slack.com/api/"
    assert str(settings.discord_api_url) == "https://discord.com/api/v10"
    assert settings.data_dir.is_absolute()
    assert settings.cache_dir.is_absolute()


def test_every_key_is_tried_here() -> None:
    apart = {*SECRETS, *INSTALLING, *MODEL_SERVER, *CERTIFICATES, "PARLEY_REDIS_URL"}
    assert {key for key, *_ in VALUES} == set(KEYS) - apart


def test_a_model_server_has_an_address_and_a_key() -> None:
    settings = read({"PARLEY_ENGINE": "openai", **MODEL_SERVER})

    assert str(settings.openai_base_url) == "http://gpu1:8000/v1"
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == CANARY
    assert CANARY not in repr(settings)


def test_a_model_server_without_an_address_is_refused() -> None:
    assert "needs PARLEY_OPENAI_BASE_URL" in refusal_of({"PARLEY_ENGINE": "openai"})


def test_an_address_of_a_model_server_that_nothing_uses_is_refused() -> None:
    refusal = refusal_of(MODEL_SERVER)

    assert "PARLEY_OPENAI_BASE_URL is for PARLEY_ENGINE=openai" in refusal
    assert CANARY not in refusal


@pytest.mark.parametrize(("key", "written", "attribute", "value"), VALUES)
def test_settings_read_each_key(key: str, written: str, attribute: str, value: object) -> None:
    assert getattr(read({key: written}), attribute) == value


@pytest.mark.parametrize("key", KEYS)
def test_an_empty_value_counts_as_absent(key: str) -> None:
    assert read({key: ""}) == read({})


@pytest.mark.parametrize(("key", "written"), MALFORMED)
def test_a_malformed_value_is_refused_by_its_key(key: str, written: str) -> None:
    sentence = refusal_of({key: written})

    assert sentence.startswith(f"{key} ")
    assert sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("PARLEY_MODLE", "PARLEY_MODEL"),
        ("PARLEY_REDIS_URI", "PARLEY_REDIS_URL"),
        ("PARLEY_SLACK_BOT_TOKEN", "SLACK_BOT_TOKEN"),
        ("PARLEY_HTTPPORT", "PARLEY_HTTP_PORT"),
    ],
)
def test_an_unknown_key_is_refused_with_a_near_one(key: str, near: str) -> None:
    assert refusal_of({key: CANARY}) == f"{key} is not a setting of Parley: did you mean {near}?"


def test_an_unknown_key_without_a_near_one_points_to_the_table() -> None:
    assert not difflib.get_close_matches("PARLEY_QQQQQQQQQQQQQQQQ", KEYS)
    sentence = refusal_of({"PARLEY_QQQQQQQQQQQQQQQQ": "1"})

    assert sentence.startswith("PARLEY_QQQQQQQQQQQQQQQQ is not a setting of Parley: see ")


def test_keys_of_other_programs_are_none_of_our_business() -> None:
    assert read({"PATH": "/bin", "SLACK_COLOUR": "red", "PARLEYVOO": "1"}) == read({})


@pytest.mark.parametrize("placeholder", [*sorted(PLACEHOLDERS), "ChangeMe", " xxx ", "  "])
@pytest.mark.parametrize("key", SECRETS)
def test_a_placeholder_is_no_secret(key: str, placeholder: str) -> None:
    assert refusal_of({key: placeholder}).startswith(f"{key} is empty or a placeholder")


# what is set, whether Slack runs or a piece of the sentence
INSTALLING = ("PARLEY_SLACK_CLIENT_ID", "PARLEY_SLACK_CLIENT_SECRET", "PARLEY_SECRET_KEY")
PAIRS: list[tuple[tuple[str, ...], bool | str]] = [
    ((), False),
    (("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"), True),
    (("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET"), True),
    (("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"), True),
    (("SLACK_BOT_TOKEN",), "SLACK_BOT_TOKEN needs SLACK_APP_TOKEN"),
    (("SLACK_APP_TOKEN",), "SLACK_BOT_TOKEN is missing"),
    (("SLACK_SIGNING_SECRET",), "SLACK_BOT_TOKEN is missing"),
    (("SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"), "SLACK_BOT_TOKEN is missing"),
    ((*INSTALLING, "SLACK_APP_TOKEN"), True),
    ((*INSTALLING, "SLACK_SIGNING_SECRET"), True),
    (INSTALLING, "SLACK_SIGNING_SECRET (HTTP) is missing"),
    (("PARLEY_SLACK_CLIENT_ID", "SLACK_APP_TOKEN"), "SECRET, PARLEY_SECRET_KEY are missing"),
    (("PARLEY_SLACK_CLIENT_SECRET",), "PARLEY_SLACK_CLIENT_ID, PARLEY_SECRET_KEY"),
    ((*INSTALLING, "SLACK_APP_TOKEN", "SLACK_BOT_TOKEN"), "set one of them"),
]


@pytest.mark.parametrize(("keys", "outcome"), PAIRS)
def test_slack_needs_a_bot_token_and_a_way_in(
    keys: tuple[str, ...], *, outcome: bool | str
) -> None:
    environ = dict.fromkeys(keys, CANARY)

    if isinstance(outcome, bool):
        assert read(environ).runs_slack is outcome
    else:
        sentence = refusal_of(environ)
        assert outcome in sentence
        assert CANARY not in sentence


def test_discord_needs_its_token_alone() -> None:
    assert read({"DISCORD_TOKEN": CANARY}).runs_discord


@pytest.mark.parametrize("key", [*SECRETS, "PARLEY_REDIS_URL"])
def test_secrets_print_as_stars(key: str) -> None:
    settings = read({**SLACK, key: CANARY})

    assert CANARY not in repr(settings)
    assert CANARY not in str(settings)
    assert CANARY not in settings.model_dump_json()
    assert "****" in repr(settings)


def test_secrets_can_be_read_on_purpose() -> None:
    settings = read({"DISCORD_TOKEN": CANARY})

    assert settings.discord_token is not None
    assert settings.discord_token.get_secret_value() == CANARY


@pytest.mark.parametrize("fault", [{"PARLEY_HTTP_PORT": "x"}, {"PARLEY_HTTPORT": "1"}])
def test_secrets_never_stand_in_an_error_about_something_else(fault: dict[str, str]) -> None:
    secrets = {**dict.fromkeys(SECRETS, CANARY), "PARLEY_REDIS_URL": f"redis://:{CANARY}@host"}

    with pytest.raises(SettingsError) as refusal:
        read({**secrets, **fault})

    # as a process that died of it would print it, with what it came from
    assert CANARY not in "".join(traceback.format_exception(refusal.value))


@pytest.mark.parametrize("scheme", ["rediss", "rediss+sentinel"])
def test_certificates_of_redis_are_options_of_its_address(scheme: str) -> None:
    files = {key: f"/certs/{key}" for key in CERTIFICATES}
    settings = read({"PARLEY_REDIS_URL": f"{scheme}://:a@b/0?db=1&ssl_ca_certs=x", **files})
    once_more = read({"PARLEY_REDIS_URL": url_of(settings), **files})

    assert url_of(settings) == (
        f"{scheme}://:a@b/0?db=1&ssl_ca_certs=%2Fcerts%2FPARLEY_REDIS_CA"
        "&ssl_certfile=%2Fcerts%2FPARLEY_REDIS_CERT&ssl_keyfile=%2Fcerts%2FPARLEY_REDIS_KEY"
    )
    assert once_more == settings, "a process hands its address to those that it starts"


def url_of(settings: Settings) -> str:
    assert settings.redis_url is not None
    return settings.redis_url.get_secret_value()


@pytest.mark.parametrize("key", CERTIFICATES)
def test_certificates_without_tls_are_refused(key: str) -> None:
    assert key in refusal_of({key: "/x.pem"})
    for plain in ("redis://localhost", "unix:///run/redis.sock", "redis+sentinel://a/b"):
        assert "rediss://" in refusal_of({key: "/x.pem", "PARLEY_REDIS_URL": plain})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(pydantic.ValidationError):
        setattr(read({}), "model", "other")  # noqa: B010 - mypy would refuse it too


def write(folder: Path, text: str) -> Path:
    file = folder / ".env"
    file.write_text(text)
    return file


def test_the_env_file_is_read(tmp_path: Path) -> None:
    text = '# ours\nexport PARLEY_MODEL="some/model"\r\nPARLEY_HTTP_PORT=99 # one\nOTHER=1\n'

    settings = read_settings({}, write(tmp_path, text))

    assert (settings.model, settings.http_port) == ("some/model", 99)


def test_the_environment_goes_before_the_env_file(tmp_path: Path) -> None:
    file = write(tmp_path, "PARLEY_MODEL=file\nPARLEY_HTTP_PORT=99\n")

    settings = read_settings({"PARLEY_MODEL": "environment"}, file)

    assert (settings.model, settings.http_port) == ("environment", 99)


def test_a_missing_env_file_is_no_fault(tmp_path: Path) -> None:
    assert read_settings({}, tmp_path / ".env") == read({})


@pytest.mark.parametrize(
    ("text", "key"), [("PARLEY_MODLE=x\n", "PARLEY_MODLE"), ("PARLEY_TOP_P=x\n", "PARLEY_TOP_P")]
)
def test_the_env_file_is_held_to_the_same_rules(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(SettingsError, match=key):
        read_settings({}, write(tmp_path, text))


def test_a_key_without_a_value_in_the_env_file_counts_as_absent(tmp_path: Path) -> None:
    assert read_settings({}, write(tmp_path, "PARLEY_MODEL\nPARLEY_DEVICE=\n")) == read({})

"""Whatever answers at a configured address, a process ends in a sentence and with its exit code."""

import asyncio
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bots.discord.sdk import run as discord_serving
from bots.discord.sdk.client import DiscordAccess
from bots.slack.sdk import client as slack_client
from bots.slack.sdk.client import SlackAccess
from bots.store import open_store as open_async_store
from shared.cli.doctor import check_redis
from shared.errors import NotThePlatformError, PlatformUnreachableError, StartupError
from shared.errors import RedisUnavailableError as NoRedis
from shared.settings import read_settings
from tests.e2e.conftest import free_port
from tests.fakes.odd_server import NO_API, NO_HTTP, NO_REDIS, PAGE, http, odd_server
from tests.redis_servers import DURABLE, RedisServer
from tests.running import run_module
from worker import doctor as worker_doctor
from worker.engine.remote.server import find_server
from worker.store import open_store

DISCORD_TOKEN = "x" * 30
each_no_api = pytest.mark.parametrize("answer", NO_API.values(), ids=NO_API.keys())
each_no_http = pytest.mark.parametrize("answer", NO_HTTP.values(), ids=NO_HTTP.keys())
CLOSED = (
    "closed the connection: write rediss:// in PARLEY_REDIS_URL if it wants TLS, and look into its "
    "log if not."
)
each_no_redis = pytest.mark.parametrize("answer", NO_REDIS.values(), ids=NO_REDIS.keys())


async def ask_slack(port: int) -> None:
    await slack_client.identify(SlackAccess("xoxb-1", f"http://127.0.0.1:{port}/api/"))


async def ask_slack_for_a_socket(port: int) -> None:
    access = SlackAccess("xoxb-1", f"http://127.0.0.1:{port}/api/", "xapp-1")
    await slack_client.check_app_token(access)


async def ask_discord(port: int) -> None:
    access = DiscordAccess(DISCORD_TOKEN, f"http://127.0.0.1:{port}/api/v10", None)
    await discord_serving.identify(access)


def check_sentence(error: StartupError, port: int, platform: str) -> None:
    assert error.exit_code == 75
    sentence = str(error)
    assert f"127.0.0.1:{port}" in sentence
    assert platform in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


@each_no_api
async def test_something_else_that_answers_is_not_taken_for_slack(answer: bytes) -> None:
    with odd_server(answer) as port, pytest.raises(NotThePlatformError) as fault:
        await ask_slack(port)

    check_sentence(fault.value, port, "Slack")
    assert "correct PARLEY_SLACK_API_URL" in str(fault.value)


@each_no_api
async def test_something_else_that_answers_is_not_taken_for_discord(answer: bytes) -> None:
    with odd_server(answer) as port, pytest.raises(NotThePlatformError) as fault:
        await ask_discord(port)

    check_sentence(fault.value, port, "Discord")
    assert "correct PARLEY_DISCORD_API_URL" in str(fault.value)


@each_no_http
@pytest.mark.parametrize(
    ("ask", "platform"),
    [(ask_slack, "Slack"), (ask_slack_for_a_socket, "Slack"), (ask_discord, "Discord")],
)
async def test_what_speaks_no_http_is_a_platform_that_does_not_answer(
    answer: bytes, ask: Callable[[int], "object"], platform: str
) -> None:
    with odd_server(answer) as port, pytest.raises(PlatformUnreachableError) as fault:
        await ask(port)  # type: ignore[misc]  # each is a coroutine function

    check_sentence(fault.value, port, platform)


async def test_a_refused_token_is_still_a_refused_token() -> None:
    refusal = http("401 Unauthorized", "application/json", '{"message": "401: Unauthorized"}')
    with odd_server(refusal) as port, pytest.raises(StartupError) as fault:
        await ask_discord(port)
    assert fault.value.exit_code == 77

    refusal = http("200 OK", "application/json", '{"ok": false, "error": "invalid_auth"}')
    with odd_server(refusal) as port, pytest.raises(StartupError) as fault:
        await ask_slack(port)
    assert fault.value.exit_code == 77


async def test_a_platform_that_is_down_is_not_taken_for_another_server() -> None:
    with (
        odd_server(http("503 Service Unavailable", "text/html", PAGE)) as port,
        pytest.raises(PlatformUnreachableError) as fault,
    ):
        await ask_slack(port)

    assert not isinstance(fault.value, NotThePlatformError)


@each_no_redis
async def test_something_else_that_answers_is_not_taken_for_redis(answer: bytes) -> None:
    with odd_server(answer) as port:
        url = f"redis://:secret@127.0.0.1:{port}/0"
        with pytest.raises(NoRedis) as of_worker:
            open_store(url, allow_volatile=True)
        with pytest.raises(NoRedis) as of_bots:
            await open_async_store(url, allow_volatile=True)
        (check,) = check_redis(url, allow_volatile=True)

    assert (check.passed, check.exit_code) == (False, 69)
    for sentence in (str(of_worker.value), str(of_bots.value), check.finding):
        assert f"127.0.0.1:{port}" in sentence
        assert "correct PARLEY_REDIS_URL." in sentence or sentence.endswith(CLOSED)
        assert "secret" not in sentence


async def test_a_wrong_password_of_redis_is_said_by_each_side(tmp_path: Path) -> None:
    with RedisServer(tmp_path, {**DURABLE, "requirepass": "right"}) as server:
        url = f"redis://:guessed@127.0.0.1:{server.port}/0"
        with pytest.raises(NoRedis) as of_worker:
            open_store(url, allow_volatile=False)
        with pytest.raises(NoRedis) as of_bots:
            await open_async_store(url, allow_volatile=False)
        (check,) = await asyncio.to_thread(check_redis, url, allow_volatile=False)

    assert (check.passed, check.exit_code) == (False, 69)
    said = {str(of_worker.value), str(of_bots.value), check.finding}
    assert said == {"Redis refuses the user or password in PARLEY_REDIS_URL: correct it."}


@pytest.mark.parametrize(
    "answer", [*NO_API.values(), *NO_HTTP.values()], ids=[*NO_API.keys(), *NO_HTTP.keys()]
)
def test_something_else_that_answers_is_not_taken_for_a_model_server(answer: bytes) -> None:
    with odd_server(answer) as port:
        settings = read_settings(
            {
                "PARLEY_ENGINE": "openai",
                "PARLEY_OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
                "PARLEY_MODEL": "m",
            }
        )
        with pytest.raises(StartupError) as fault:
            find_server(settings)

        check, *_ = worker_doctor._check_model(settings)

    assert fault.value.exit_code in {66, 68}
    assert str(fault.value).endswith(".")
    assert (check.passed, check.exit_code) == (False, fault.value.exit_code)


SLACK = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
DISCORD = {"DISCORD_TOKEN": DISCORD_TOKEN}


@pytest.mark.parametrize(
    ("key", "path", "tokens"),
    [
        ("PARLEY_SLACK_API_URL", "/api/", SLACK),
        ("PARLEY_DISCORD_API_URL", "/api/v10", DISCORD),
    ],
)
def test_bots_end_in_one_sentence(
    quiet_redis: str, key: str, path: str, tokens: Mapping[str, str]
) -> None:
    with odd_server(NO_API["a page"]) as port:
        settings = {
            **tokens,
            key: f"http://127.0.0.1:{port}{path}",
            "PARLEY_REDIS_URL": quiet_redis,
            "PARLEY_HTTP_PORT": str(free_port()),
        }
        ended: subprocess.CompletedProcess[str] = run_module("bots", settings)

    assert ended.returncode == 75
    assert len((ended.stdout + ended.stderr).splitlines()) == 1, ended.stdout + ended.stderr
    assert ended.stderr.startswith("parley: What answers at http://127.0.0.1:")

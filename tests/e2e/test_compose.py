"""docker-compose.yml, run without Docker: it becomes healthy, answers, and keeps strangers out."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import redis.backoff
import redis.retry

from tests.compose import PASSWORDS, Machine, read_service, redis_url
from tests.e2e.conftest import ALICE, CHANNEL, free_port
from tests.fakes.slack_server import FakeSlack
from tests.patience import PATIENCE_S


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose working folder holds no .env, as a container's."""
    monkeypatch.chdir(tmp_path)
    return Machine(tmp_path)


@pytest.fixture
def variables(slack: FakeSlack, endless_model: Path) -> dict[str, str]:
    """What .env says."""
    return {
        **PASSWORDS,
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "PARLEY_SLACK_API_URL": slack.api_url,
        "PARLEY_HTTP_PORT": str(free_port()),
        "PARLEY_MODEL": str(endless_model),
        "PARLEY_DEVICE": "cpu",
        "PARLEY_CACHE_TOKENS": "8192",
        "PARLEY_MAX_NEW_TOKENS": "40",
    }


@pytest.mark.timeout(150)
async def test_row_37_services_with_few_rights_become_healthy_and_answer_a_mention(
    machine: Machine, variables: dict[str, str], slack: FakeSlack
) -> None:
    names = ("redis", "worker", "bots")
    store, worker, bots = (machine.adapt(read_service(name, variables)) for name in names)
    assert not await machine.is_healthy(store)
    with machine.up(store) as store_process:
        await machine.wait_healthy(store, store_process)
        early = await asyncio.gather(machine.is_healthy(worker), machine.is_healthy(bots))
        assert not any(early)
        with machine.up(worker) as worker_process, machine.up(bots) as bots_process:
            await asyncio.gather(
                machine.wait_healthy(worker, worker_process),
                machine.wait_healthy(bots, bots_process),
            )
            await slack.wait_for_connections(1)

            asked = await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> are you all up?")

            answer = await slack.wait_for_message(
                CHANNEL, containing="length limit", timeout_s=PATIENCE_S
            )
            assert answer.thread_ts == asked.ts
            for process in (store_process, worker_process, bots_process):
                arguments = psutil.Process(process.pid).cmdline()
                secrets = [s for s in PASSWORDS.values() if any(s in a for a in arguments)]
                assert secrets == [], arguments
    for service in (worker, bots):
        assert "NoPermission" not in machine.log_of(service).read_text()


@pytest.mark.timeout(150)
async def test_redis_keeps_everything_and_lets_nobody_in_without_a_password(
    machine: Machine,
) -> None:
    store = machine.adapt(read_service("redis", PASSWORDS))

    with machine.up(store) as process:
        await machine.wait_healthy(store, process)
        stranger = replace(store, environment={**store.environment, "REDISCLI_AUTH": "wrong"})
        assert not await machine.is_healthy(stranger)
        once = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
        with (
            redis.Redis(port=machine.redis_port, retry=once) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()
        url = redis_url(read_service("worker", PASSWORDS), machine)
        with redis.Redis.from_url(url) as client:
            info: Any = client.info()

    assert (info["aof_enabled"], info["maxmemory_policy"]) == (1, "noeviction")
    assert info["maxmemory"] > 0
    # Which of the three ways of writing is no part of INFO, and may not be asked for otherwise.
    assert "appendfsync always" in store.command[-1].splitlines()
    # SIGTERM reached Redis itself, not a shell around it.
    assert process.returncode == 0


@pytest.mark.parametrize("name", PASSWORDS)
@pytest.mark.parametrize("password", ["with space", "p@ss", "line\nbind 0.0.0.0", "$(id)"])
async def test_password_that_would_break_the_url_is_refused_in_a_sentence(
    machine: Machine, name: str, password: str
) -> None:
    store = machine.adapt(read_service("redis", {**PASSWORDS, name: password}))

    with machine.up(store) as process:
        code = await asyncio.to_thread(process.wait, PATIENCE_S)

    assert code == 78
    assert "may hold only letters" in machine.log_of(store).read_text()


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("redis", {"REDIS_WORKER_PASSWORD", "REDIS_BOTS_PASSWORD"}),
        ("bots", {"REDIS_BOTS_PASSWORD"}),
        ("worker", {"REDIS_WORKER_PASSWORD"}),
        ("worker-gpu", {"REDIS_WORKER_PASSWORD"}),
    ],
)
def test_a_missing_password_stops_compose(name: str, needed: set[str]) -> None:
    for missing in needed:
        given = {key: value for key, value in PASSWORDS.items() if key != missing}
        with pytest.raises(LookupError, match=f"{missing}: put .* long random one"):
            read_service(name, given)
    assert read_service(name, {key: PASSWORDS[key] for key in needed})

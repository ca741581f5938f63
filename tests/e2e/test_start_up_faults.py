"""Bad input at start: one sentence and an exit code of its own each, never a traceback."""

import socket
from pathlib import Path

import pytest
import redis
import redis.backoff
import redis.retry

from shared.cli.embedded_redis import find_redis_server
from shared.cli.processes import running, start
from tests.e2e.conftest import free_port
from tests.running import run_module


@pytest.mark.parametrize("module", ["bots", "worker"])
@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({}, 78, "PARLEY_REDIS_URL is not set"),
        ({"PARLEY_REDIS_URL": "redis://127.0.0.1:1/0"}, 69, "Redis does not answer"),
        ({"PARLEY_REDIS_URL": "not a url"}, 69, "Redis does not answer"),
        ({"PARLEY_TEMPRATURE": "1"}, 78, "did you mean PARLEY_TEMPERATURE?"),
        ({"PARLEY_CONCURRENCY": "many"}, 78, "PARLEY_CONCURRENCY"),
        ({"SLACK_BOT_TOKEN": "changeme", "SLACK_APP_TOKEN": "x"}, 78, "SLACK_BOT_TOKEN"),
    ],
)
def test_bad_settings_end_in_a_sentence(
    module: str, settings: dict[str, str], code: int, words: str
) -> None:
    token = {"DISCORD_TOKEN": "token-of-nobody"} if module == "bots" else {}

    ended = run_module(module, {**token, **settings})

    assert (ended.returncode, "Traceback" in ended.stderr) == (code, False), ended.stderr
    assert words in ended.stderr
    assert ended.stderr.startswith("parley: ")
    assert len(ended.stderr.splitlines()) == 1


def test_no_token_ends_in_a_sentence(redis_url: str) -> None:
    ended = run_module("bots", {"PARLEY_REDIS_URL": redis_url})

    assert ended.returncode == 78
    assert "There is no token" in ended.stderr


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("/nowhere/at/all", "there is no model in that folder"),
        ("nobody/no-such-model", "is not on this machine, and HF_HUB_OFFLINE is 1"),
    ],
)
def test_unknown_model_ends_in_a_sentence(redis_url: str, model: str, words: str) -> None:
    ended = run_module(
        "worker", {"PARLEY_REDIS_URL": redis_url, "PARLEY_MODEL": model, "HF_HUB_OFFLINE": "1"}
    )

    assert ended.returncode == 66, ended.stderr
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_pickled_weights_are_refused(redis_url: str, tiny_model: Path, tmp_path: Path) -> None:
    for file in tiny_model.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")

    ended = run_module("worker", {"PARLEY_REDIS_URL": redis_url, "PARLEY_MODEL": str(tmp_path)})

    assert ended.returncode == 66, ended.stderr
    assert "safetensors" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_port_in_use_ends_in_a_sentence(redis_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        ended = run_module(
            "bots",
            {
                "PARLEY_REDIS_URL": redis_url,
                "PARLEY_HTTP_PORT": port,
                "DISCORD_TOKEN": "token-of-nobody",
                "PARLEY_DISCORD_API_URL": "http://127.0.0.1:1/api/v10",
            },
        )

    assert ended.returncode == 73, ended.stderr
    assert "PARLEY_HTTP_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("module", ["bots", "worker"])
def test_redis_that_would_lose_messages_is_refused(module: str, tmp_path: Path) -> None:
    port = free_port()
    command: list[str | Path] = [
        find_redis_server(),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
    ]
    with running(start(command, log=tmp_path / "redis.log")):
        client = redis.Redis(
            port=port, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 50)
        )
        assert client.ping()
        client.close()
        settings = {"PARLEY_REDIS_URL": f"redis://127.0.0.1:{port}/0", "DISCORD_TOKEN": "x.y.z"}

        ended = run_module(module, settings)

    assert ended.returncode == 69, ended.stderr
    assert "--appendonly yes" in ended.stderr
    assert "PARLEY_ALLOW_VOLATILE_REDIS" in ended.stderr

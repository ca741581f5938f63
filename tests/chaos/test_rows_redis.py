"""What a Redis can do to Parley, and who may do what to Redis: the rows of docs/reliability.md."""

import asyncio
import socket
from pathlib import Path

import pytest

from tests.compose import PASSWORDS, Machine, read_service

ANSWER_S = 10.0

# Who may speak to the Redis of docker-compose.yml, and how each comes in.
ROLES = {
    "anonymous": [],
    "worker": [f"AUTH worker {PASSWORDS['REDIS_WORKER_PASSWORD']}"],
    "bots": [f"AUTH bots {PASSWORDS['REDIS_BOTS_PASSWORD']}"],
}
DENIED = (
    "FLUSHALL",
    "FLUSHDB",
    "SWAPDB 0 1",
    "CONFIG GET appendonly",
    "CONFIG SET maxmemory 1",
    "KEYS *",
    "RANDOMKEY",
    "DEBUG SLEEP 0",
    "MODULE LOAD /tmp/any.so",
    "REPLICAOF 127.0.0.1 1",
    "SHUTDOWN NOSAVE",
    "ACL LIST",
    "ACL SETUSER intruder on nopass +@all ~*",
    "MONITOR",
    "CLIENT LIST",
    "CLIENT KILL TYPE normal",
    "SAVE",
    "BGREWRITEAOF",
    "SLOWLOG GET",
    "SCRIPT FLUSH",
    "FUNCTION FLUSH",
    # other programs' keys, plainly and through a script, which is not told its keys
    "GET foreign",
    "SET foreign 1",
    "DEL foreign",
    "EVAL \"return redis.call('GET', 'foreign')\" 0",
    "EVAL \"return redis.call('FLUSHALL')\" 0",
    # the channel on which Celery's workers would take orders, and any other
    "PUBLISH /0.celery.pidbox shutdown",
    "PUBLISH foreign x",
    "SUBSCRIBE foreign",
    "PSUBSCRIBE *",
    "EVAL \"return redis.call('PUBLISH', '/0.celery.pidbox', 'shutdown')\" 0",
)
SWITCHED_OFF = ("-ERR DEBUG command not allowed", "-ERR MODULE command not allowed")
"""For everybody, before Redis looks who asks."""
NO_ENTRY = ("-NOAUTH", *SWITCHED_OFF)
NO_RIGHT = ("-NOPERM", "-ERR ACL failure in script", *SWITCHED_OFF)
DENIED_TO_BOTS = ("BRPOP chat 1", "LRANGE chat 0 -1", "HGETALL unacked")


def ask(port: int, *commands: str) -> str:
    """The first line of Redis's answer to the last of these, sent one after the other."""
    answer = ""
    with (
        socket.create_connection(("127.0.0.1", port), ANSWER_S) as connection,
        connection.makefile("r", encoding="utf-8") as answers,
    ):
        for command in commands:
            connection.sendall(f"{command}\r\n".encode())
            answer = answers.readline().rstrip()
    return answer


async def test_row_37_nobody_may_do_to_redis_what_parley_does_not_do(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    store = machine.adapt(read_service("redis", PASSWORDS))
    with machine.up(store) as process:
        await machine.wait_healthy(store, process)
        port = machine.redis_port
        for role in ("worker", "bots"):
            assert await asyncio.to_thread(ask, port, *ROLES[role], "SET parley:kept 1") == "+OK"

        for role, way_in in ROLES.items():
            refusals = NO_RIGHT if way_in else NO_ENTRY
            denied = (*DENIED, *(DENIED_TO_BOTS if role == "bots" else ()))
            for command in denied:
                answer = await asyncio.to_thread(ask, port, *way_in, command)
                assert answer.startswith(refusals), f"{role}: {command}: {answer}"

        assert process.poll() is None
        assert await asyncio.to_thread(ask, port, *ROLES["worker"], "EXISTS parley:kept") == ":1"
        for command in ("PING", "GET parley:kept", "SET parley:kept 2", "LPUSH chat x"):
            assert (await asyncio.to_thread(ask, port, command)).startswith("-NOAUTH"), command


@pytest.mark.parametrize("user", ["worker", "bots", "default", "adapter"])
async def test_row_37_no_user_comes_in_with_another_ones_password(
    tmp_path: Path, user: str
) -> None:
    machine = Machine(tmp_path)
    store = machine.adapt(read_service("redis", PASSWORDS))
    wrong = [secret for name, secret in PASSWORDS.items() if user.upper() not in name]
    with machine.up(store) as process:
        await machine.wait_healthy(store, process)
        for password in [*wrong, "''"]:
            answer = await asyncio.to_thread(
                ask, machine.redis_port, f"AUTH {user} {password}", "PING"
            )
            assert answer.startswith("-NOAUTH"), f"{user}: {answer}"

"""Composition root of the bots: settings, Redis, and the adapters that have tokens.

``python -m bots`` runs them; ``python -m bots console`` chats in the terminal;
``python -m bots doctor`` prints their checks; ``python -m bots explain`` explains the policy.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine, Sequence

import redis

from bots.adapter import Wiring
from bots.incoming.explain import explain
from bots.incoming.preferences import PreferenceCache
from bots.metrics import Metrics
from bots.store import AsyncStore, open_store
from shared.bounds import MB
from shared.errors import RedisUnavailableError, SettingsError, StartupError
from shared.ledger.celery import build_celery, publish
from shared.ledger.lifecycle import AskAllowance, JobLimits, Ready
from shared.logs import configure_logs
from shared.settings import Settings, read_settings

INTERRUPTED = 130
SWITCH_S = 0.0005
"""How long a thread may keep the GIL while another waits for it. At Python's own 5 ms, each of the
event loop's system calls may cost 5 ms while Celery's client works (``parley bench ingest``)."""


def main(arguments: Sequence[str]) -> int:
    """Run the bots, or one of their commands; returns the exit code."""
    sys.setswitchinterval(SWITCH_S)
    try:
        settings = read_settings(os.environ)
        match list(arguments):
            case []:
                configure_logs(settings.log_level)
                asyncio.run(_until_signal(serve(settings)))
            case ["console"]:
                configure_logs("ERROR", sys.stderr)
                asyncio.run(_until_signal(chat(settings)))
            case ["doctor"]:
                configure_logs("ERROR", sys.stderr)
                from bots import doctor  # noqa: PLC0415 - the platforms' clients

                return asyncio.run(doctor.report(settings))
            case ["bench", *what]:
                from bots.benches import render  # noqa: PLC0415 - the Markdown parser

                return render.run(what)
            case ["load" | "ingest" as what, *order]:
                configure_logs("ERROR", sys.stderr)
                asyncio.run(_until_signal(measure(settings, what, order)))
            case ["explain", *told]:
                configure_logs("ERROR", sys.stderr)
                asyncio.run(explain(told, settings))
            case _:
                raise SettingsError("Usage: python -m bots [console|doctor|explain].")
    except StartupError as error:
        sys.stderr.write(f"parley: {error}\n")
        return error.exit_code
    except (redis.RedisError, TimeoutError) as error:
        sys.stderr.write(f"parley: Redis went away ({type(error).__name__}): start it again.\n")
        return RedisUnavailableError.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


async def serve(settings: Settings) -> None:
    """Run the Slack and Discord adapters that have tokens, and the HTTP server.

    Raises:
        StartupError: something required is missing or refused.
    """
    if not settings.runs_slack and not settings.runs_discord:
        raise SettingsError(
            "There is no token: set SLACK_BOT_TOKEN (and SLACK_APP_TOKEN or SLACK_SIGNING_SECRET) "
            "or DISCORD_TOKEN, or chat in the terminal with `parley chat`."
        )
    from bots.platforms import serve_platforms  # noqa: PLC0415 - the platforms' clients

    wiring = await _wire(settings, _allowance(settings))
    await serve_platforms(settings, wiring)


async def chat(settings: Settings) -> None:
    """Chat in the terminal."""
    from bots.console import chat_in_terminal  # noqa: PLC0415 - the terminal's library

    wiring = await _wire(settings, None)
    await chat_in_terminal(wiring, settings.data_dir / "console_history")


async def measure(settings: Settings, what: str, order: Sequence[str]) -> None:
    """Run a bench: the time of answers under load, or of accepting questions."""
    from bots.benches import ingest as ingesting  # noqa: PLC0415 - only a bench needs it
    from bots.benches import load as loading  # noqa: PLC0415 - only a bench needs it

    if what == "load":
        await loading.load(await _wire(settings, None), loading.read_options(order))
    else:
        wiring = await _wire(settings, _allowance(settings))
        await ingesting.ingest(wiring, ingesting.read_options(order))


def _allowance(settings: Settings) -> AskAllowance:
    return AskAllowance(
        user_per_min=settings.user_messages_per_min,
        channel_per_min=settings.channel_messages_per_min,
        max_open_per_user=settings.max_open_per_user,
        max_queue=settings.max_queue,
    )


def _preference_cache(settings: Settings, store: AsyncStore, redis_url: str) -> PreferenceCache:
    return PreferenceCache(store, redis_url, settings.fallback, settings.admins)


async def _wire(settings: Settings, allowance: AskAllowance | None) -> Wiring:
    if settings.redis_url is None:
        raise SettingsError(
            "PARLEY_REDIS_URL is not set: name a Redis, or use `parley up`, which starts one."
        )
    redis_url = settings.redis_url.get_secret_value()
    store = await open_store(
        redis_url,
        allow_volatile=settings.allow_volatile_redis,
        num_replicas=settings.redis_replicas,
    )
    app = build_celery(redis_url)

    def wake(*readies: Ready) -> None:
        publish(app, *readies)

    return Wiring(
        store=store,
        redis_url=redis_url,
        limits=JobLimits(
            settings.deadline_ms, settings.retention_ms, round(settings.max_waiting_mb * MB)
        ),
        allowance=allowance,
        max_chars=settings.max_message_chars,
        wake=wake,
        metrics=Metrics(),
        max_parts=settings.max_parts,
        access=settings.access,
        preference_cache=_preference_cache(settings, store, redis_url) if allowance else None,
    )


async def _until_signal(serving: Coroutine[None, None, None]) -> None:
    """Run until it ends by itself or until SIGTERM or SIGINT."""
    task = asyncio.ensure_future(serving)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

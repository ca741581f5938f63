"""The bots' checks for ``parley doctor``: tokens and intents by real calls, and the HTTP port."""

import socket

from shared.checks import Check, print_checks
from shared.settings import Settings


async def report(settings: Settings) -> int:
    """Print one line a check; the exit code is 1 if one failed."""
    checks: list[Check] = []
    checks.append(_check_port(settings))
    return print_checks(checks)


def _check_port(settings: Settings) -> Check:
    with socket.socket() as probe:
        if probe.connect_ex((settings.http_host, settings.http_port)) == 0:
            return Check.warn(
                "http", f"port {settings.http_port} is in use; fine if Parley's bots are running"
            )
    return Check.ok("http", f"port {settings.http_port} is free")

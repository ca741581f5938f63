"""Structured logs: one JSON line per event on standard output, without tokens or message texts.

Anything that looks like a Slack or Discord token is redacted, in Parley's lines and in libraries'
alike. Libraries log from WARNING up: at DEBUG discord.py and slack_sdk write whole bodies, and Bolt
writes the body of a badly signed request at INFO.
"""

import logging
import re
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from shared.repeated_faults import FAULTS

SECRETS = re.compile(
    r"xox[a-z]-[\w-]+"  # Slack bot, user and legacy tokens
    r"|xapp-[\w-]+"  # Slack app tokens
    r"|[\w-]{20,30}\.[\w-]{6}\.[\w-]{27,}"  # Discord: base64 user id, time, HMAC
    r"|(?<=Bearer )[^\s\"\\\\]+|(?<=Bot )[^\s\"\\\\]{20,}"
    r"|(?<=://)[^/\s\"]*(?=@)"  # user and password of a URL
)
BLOT = "[secret]"


def redact(_logger: WrappedLogger, _method: str, line: EventDict | str) -> str:
    """Redact anything that looks like a credential, anywhere in the finished line."""
    return SECRETS.sub(BLOT, str(line))


def configure_logs(level: str, stream: TextIO | None = None) -> None:
    """Send Parley's logs and libraries' warnings, as JSON lines, to standard output or a stream."""
    shared_steps: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared_steps, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared_steps,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
                redact,
            ],
        )
    )
    handler.addFilter(FAULTS)
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.WARNING)
    for ours in ("bots", "worker", "shared"):
        logging.getLogger(ours).setLevel(level)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger

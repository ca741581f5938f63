"""No credential reaches the log, whoever writes it and however it gets there."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest
import structlog

from shared.logs import BLOT, configure_logs, get_logger

# what is written -> the piece that must not be
CANARIES = {
    "Slack bot token": ("xoxb-123456789012-CANARY", "CANARY"),
    "Slack user token": ("xoxp-1-2-3-CANARY", "CANARY"),
    "Slack refresh token": ("xoxe.xoxp-1-CANARY", "CANARY"),
    "Slack app token": ("xapp-1-A0-123-CANARY", "CANARY"),
    "Discord token": (
        "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4CANARY-s7kKWs72",
        "CANARY",
    ),
    "bearer": ("Authorization: Bearer CANARY/abc+def=", "CANARY"),
    "Discord's own scheme": ("Authorization: Bot CANARYabcdefghijklmnop", "CANARY"),
    "URL with a password": ("redis://:CANARY@127.0.0.1:6379/0", "CANARY"),
    "URL with a user": ("rediss://CANARY-user:CANARY@redis.example/0", "CANARY"),
    "URL whose password has an at sign": ("redis://:p@CANARY@127.0.0.1:6379/0", "CANARY"),
    "two at once": ("xoxb-1-CANARY and xapp-1-CANARY", "CANARY"),
}
cases = pytest.mark.parametrize(("text", "canary"), CANARIES.values(), ids=CANARIES.keys())


@contextmanager
def kept_logging() -> Iterator[None]:
    """Leave logging as it was found: the root logger belongs to the test runner."""
    handlers, level = logging.root.handlers, logging.root.level
    try:
        yield
    finally:
        logging.root.handlers = handlers
        logging.root.setLevel(level)
        structlog.reset_defaults()


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    with kept_logging():
        written = io.StringIO()
        configure_logs("INFO", written)
        yield written


def fail(error: Exception) -> NoReturn:
    raise error


def only_line(stream: io.StringIO) -> dict[str, Any]:
    """The one line that was written, as JSON."""
    (line,) = stream.getvalue().splitlines()
    event: dict[str, Any] = json.loads(line)
    return event


def test_an_event_is_one_json_line(stream: io.StringIO) -> None:
    get_logger("bots.tests").info("job_ended", job="abc", seconds=1.5, words="a\nb")

    event = only_line(stream)

    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "job_ended",
        "job": "abc",
        "seconds": 1.5,
        "words": "a\nb",
        "level": "info",
        "logger": "bots.tests",
    }


@cases
def test_our_loggers_blot_out_secrets_in_the_event(
    stream: io.StringIO, text: str, canary: str
) -> None:
    get_logger("bots.tests").warning(f"failed with {text}")

    assert canary not in stream.getvalue()
    assert BLOT in only_line(stream)["event"]


@cases
def test_our_loggers_blot_out_secrets_in_values(
    stream: io.StringIO, text: str, canary: str
) -> None:
    get_logger("bots.tests").info("failed", error=text)

    assert canary not in stream.getvalue()
    assert BLOT in only_line(stream)["error"]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(ValueError("xoxb-1-CANARY"), id="an error"),
        pytest.param(["xoxb-1-CANARY"], id="a list"),
        pytest.param({"token": {"bot": "xoxb-1-CANARY"}}, id="a nested mapping"),
        pytest.param(b"xoxb-1-CANARY", id="bytes"),
    ],
)
def test_our_loggers_blot_out_secrets_in_values_that_are_no_text(
    stream: io.StringIO, value: object
) -> None:
    get_logger("bots.tests").info("failed", detail=value)

    assert "CANARY" not in stream.getvalue()
    assert only_line(stream)["event"] == "failed"


@cases
def test_our_loggers_blot_out_secrets_in_exceptions(
    stream: io.StringIO, text: str, canary: str
) -> None:
    try:
        fail(ValueError(text))
    except ValueError:
        get_logger("worker.tests").exception("job_failed")

    assert canary not in stream.getvalue()
    assert "ValueError" in only_line(stream)["exception"]


@cases
def test_foreign_loggers_are_blotted_out_too(stream: io.StringIO, text: str, canary: str) -> None:
    logging.getLogger("foreign").warning("sent %s", text)

    assert canary not in stream.getvalue()
    assert BLOT in only_line(stream)["event"]


@cases
def test_foreign_exceptions_are_blotted_out_too(
    stream: io.StringIO, text: str, canary: str
) -> None:
    try:
        fail(ConnectionError(text))
    except ConnectionError:
        logging.getLogger("foreign").exception("lost")

    assert canary not in stream.getvalue()
    assert "ConnectionError" in only_line(stream)["exception"]


@pytest.mark.parametrize(
    "text",
    [
        "a sentence about Bot life and a Bearer",
        "see https://docs.example/a@b and mail ada@example.org",
        "version 1.2.3 of some.module.name",
        "box-office xo-x",
    ],
)
def test_ordinary_words_are_left_alone(stream: io.StringIO, text: str) -> None:
    get_logger("bots.tests").info(text)

    assert only_line(stream)["event"] == text


def test_what_is_bound_to_a_job_is_on_every_line(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(job="abc"):
        get_logger("worker.tests").info("one")
        logging.getLogger("foreign").warning("two")

    assert [json.loads(line)["job"] for line in stream.getvalue().splitlines()] == ["abc", "abc"]


@pytest.mark.parametrize("name", ["discord", "slack_bolt", "celery", "foreign"])
def test_foreign_libraries_are_heard_from_warning_up(stream: io.StringIO, name: str) -> None:
    logging.getLogger(name).info("a whole body")
    logging.getLogger(name).warning("a warning")

    assert only_line(stream)["event"] == "a warning"


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("DEBUG", ["debug", "info", "warning"]),
        ("INFO", ["info", "warning"]),
        ("WARNING", ["warning"]),
        ("ERROR", []),
    ],
)
def test_the_level_is_that_of_our_own_loggers(level: str, heard: list[str]) -> None:
    with kept_logging():
        written = io.StringIO()
        configure_logs(level, written)
        log = get_logger("bots.tests")
        log.debug("debug")
        log.info("info")
        log.warning("warning")

    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == heard


def test_logs_go_to_standard_output_unless_told_otherwise() -> None:
    with kept_logging():
        configure_logs("INFO")
        (handler,) = logging.root.handlers

    assert isinstance(handler, logging.StreamHandler)
    assert handler.stream is sys.stdout

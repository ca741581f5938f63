"""Supervised children: which ends are final, and what of their words the console shows."""

import io
import sys
from pathlib import Path

import pytest

from shared.cli.processes import start
from shared.cli.relay import Relay
from shared.cli.sessions import STAYING, Ward

PATIENCE_S = 30.0


def ended(code: int, relay: Relay | None, log_file: Path | None = None) -> Ward:
    """A child that has said a sentence and ended with this code."""
    words = f"import sys; sys.stderr.write('parley: no such model\\n'); sys.exit({code})"

    def spawn() -> "object":
        errors = relay.write_end if relay and log_file is None else None
        return start([sys.executable, "-c", words], log=log_file, errors=errors)

    ward = Ward("worker", spawn, log_file, relay=relay)  # type: ignore[arg-type]  # a child
    ward.child.wait(PATIENCE_S)
    return ward


@pytest.mark.parametrize("code", [66, 77, 78])
def test_an_end_that_a_restart_cannot_mend_is_final(code: int) -> None:
    assert ended(code, None).look_after() == code


@pytest.mark.parametrize(("code", "final"), [(66, None), (68, None), (77, 77), (78, 78)])
def test_beside_bots_a_missing_model_is_not(code: int, final: int | None) -> None:
    relay = Relay(io.BytesIO())

    assert ended(code, relay).look_after() == final

    relay.close()


@pytest.mark.parametrize("log", ["", "worker.log"])
def test_its_sentence_is_said_once_and_its_pauses_grow(log: str, tmp_path: Path) -> None:
    out = io.BytesIO()
    relay = Relay(out)
    ward = ended(66, relay, tmp_path / log if log else None)
    pauses = []
    for _ in range(3):
        assert ward.look_after() is None
        assert ward.restart_at_s is not None
        pauses.append(ward.restart_at_s - ward.started_s)
        ward.restart_at_s = 0.0
        ward.look_after()
        ward.child.wait(PATIENCE_S)
    ward.stop()
    relay.close()

    assert out.getvalue().decode() == f"parley: no such model\nparley: {STAYING}\n"
    assert pauses[0] < pauses[1] < pauses[2]
    assert pauses[2] >= 4.0


def test_other_lines_are_passed_on_as_they_come() -> None:
    out = io.BytesIO()
    relay = Relay(out)
    with open(relay.write_end, "wb", closefd=False) as pipe:
        for piece in (b"parley: Load", b"ing\nTraceback\n", b"Traceback\n", b"10%\r20%\r"):
            pipe.write(piece)
            pipe.flush()
            relay.pump()
        assert out.getvalue() == b"parley: Loading\nTraceback\nTraceback\n10%\r20%\r"
        pipe.write(b"parley: Loading\nno end")
    relay.close()

    assert out.getvalue().endswith(b"20%\rno end"), "a sentence once, the rest always"

"""A model server that is not ours: ``transformers serve``, as a process of its own."""

import contextlib
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.conftest import free_port
from tests.patience import PATIENCE_S
from tests.running import RunningModule

POLL_S = 0.1


@contextlib.contextmanager
def model_server(model: Path, home: Path) -> Iterator[str]:
    """Serve the model in a folder; gives the server's address, which ends in ``/v1``."""
    (home / "hub").mkdir(parents=True)
    port = free_port()
    words = (
        "serve",
        str(model),
        "--device",
        "cpu",
        "--dtype",
        "float64",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    )
    offline = {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    with RunningModule("transformers.cli.transformers", *words, settings=offline) as server:
        _wait_ready(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}/v1"


def _wait_ready(url: str, server: RunningModule) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        assert server.process.poll() is None, server.output
        assert time.monotonic() < deadline_s, server.output
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(url, timeout=1).close()
            return
        time.sleep(POLL_S)

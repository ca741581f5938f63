"""Nothing is reported to the makers of the libraries that the engine uses."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_architecture import importers_of

USE = """
import importlib, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
import openvino, openvino_genai
from openvino import opset13
import torch
openvino.convert_model(torch.nn.Linear(2, 2), example_input=torch.zeros(1, 2))
"""


class Proxy:
    """Where all HTTP and HTTPS of a process ends: counts what comes, answers nothing."""

    def __init__(self) -> None:
        self.num_calls = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                if connection.recv(1) == b"":
                    return
                self.num_calls += 1

    def close(self) -> None:
        """Wait for all calls, since they are accepted in their order."""
        socket.create_connection(self._socket.getsockname()).close()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    if proxy._thread.is_alive():
        proxy.close()


def run(code: str, home: Path, proxy: Proxy, *words: str) -> None:
    """Run Python as a person's process: another home, and no mark of a CI job."""
    ours = {name: value for name, value in os.environ.items() if name not in {"CI", "TF_BUILD"}}
    ways = dict.fromkeys(("http_proxy", "https_proxy"), proxy.url)
    env = {**ours, **ways, "HOME": str(home), "no_proxy": ""}
    subprocess.run([sys.executable, "-c", code, *words], env=env, check=True, timeout=60)
    proxy.close()


def test_no_module_of_ours_reports_its_use_of_openvino(tmp_path: Path, proxy: Proxy) -> None:
    modules = sorted(importers_of("openvino") | importers_of("openvino_genai"))

    run(USE, tmp_path, proxy, *modules)

    assert proxy.num_calls == 0
    assert list(tmp_path.rglob("intel")) == []


def test_proxy_notices_what_openvino_reports_by_itself(tmp_path: Path, proxy: Proxy) -> None:
    """If this fails, openvino reports nothing any more, or in a way that the other test misses."""
    run("import openvino", tmp_path, proxy)

    assert proxy.num_calls >= 1
    assert (tmp_path / "intel").is_dir()


def test_openvino_is_used_by_the_worker_only() -> None:
    """Its package forbids the reports before any module below it can import openvino."""
    importers = importers_of("openvino") | importers_of("openvino_genai")

    assert importers
    assert {name for name in importers if not name.startswith("worker.")} == set()

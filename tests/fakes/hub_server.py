"""A model hub of our own: what its client library asks for, over real sockets, from a folder."""

import hashlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer:
    """Serves models by their ids, until the block is left.

    Args:
        models: the folders.
        refused: ids that get another answer than a model: a status, or 0 for silence.
    """

    def __init__(
        self, models: Mapping[str, Path], refused: Mapping[str, int] | None = None
    ) -> None:
        self.models = dict(models)
        self.refused = dict(refused or {})
        self.fetched: list[str] = []
        """The files whose content was sent."""
        self.num_requests = 0
        self.is_over = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Its address, for ``HF_ENDPOINT``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.is_over.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    def __init__(self, hub: HubServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _hub(self) -> HubServer:
        assert isinstance(self.server, _Server)
        return self.server.hub

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""

    def _answer(self, *, with_body: bool) -> None:
        self._hub.num_requests += 1
        path = urlsplit(self.path).path.strip("/")
        for model, status in self._hub.refused.items():
            if model in path:
                self._refuse(status)
                return
        for model, folder in self._hub.models.items():
            if model in path:
                self._serve(model, folder, path, with_body=with_body)
                return
        self._refuse(404)

    def _serve(self, model: str, folder: Path, path: str, *, with_body: bool) -> None:
        files = {each.relative_to(folder).as_posix(): each for each in _files(folder)}
        if path in {f"api/models/{model}", f"api/models/{model}/revision/main"}:
            listed = [{"rfilename": n, "size": f.stat().st_size} for n, f in files.items()]
            self._json({"id": model, "sha": COMMIT, "siblings": listed})
            return
        if path == f"api/models/{model}/tree/{COMMIT}":
            self._json(
                [
                    {"type": "file", "path": n, "size": f.stat().st_size, "oid": _oid(f)}
                    for n, f in files.items()
                ]
            )
            return
        name = path.removeprefix(f"{model}/resolve/{COMMIT}/")
        self._hub.fetched += [name] if with_body else []
        self._send(files[name].read_bytes(), _oid(files[name]), with_body=with_body)

    def _refuse(self, status: int) -> None:
        if status == 0:
            self._hub.is_over.wait()
            self.close_connection = True
            return
        self.send_response(status)
        if status == 404:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, value: object) -> None:
        self._send(json.dumps(value).encode(), "listing", with_body=True)

    def _send(self, body: bytes, tag: str, *, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{tag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def _files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.rglob("*") if each.is_file())


def _oid(file: Path) -> str:
    return hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()

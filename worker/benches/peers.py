"""The peers of the engine for processors: OpenVINO's pipeline alone, and llama.cpp's server.

Both compute the same weights as a worker would, with as many slots as answers at once. Neither has
a queue, a ledger or a platform around it: they show what the machine can do.
"""

import contextlib
import json
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from shared.settings import Settings
from worker.console import say
from worker.engine.llamacpp.server import LlamaServer, is_installed
from worker.engine.openvino.files import ModelSource, ensure_prepared, find_model, why_not
from worker.engine.remote.server import Server

CACHE_TOKENS = 32_768
TIMEOUT_S = 600


class Peer(Protocol):
    """Something that writes answers."""

    def rate(self, prompts: Sequence[tuple[int, ...]], num_new: int) -> float:
        """Tokens a second of all answers together; the time includes their prompts."""
        ...


@dataclass(slots=True)
class BarePipeline:
    """OpenVINO's continuous batching with nothing around it: all requests, then step after step."""

    pipeline: Any
    openvino: Any
    genai: Any
    eos: int

    def rate(self, prompts: Sequence[tuple[int, ...]], num_new: int) -> float:
        """See ``Peer.rate``."""
        import numpy as np  # noqa: PLC0415 - beside the library it is for

        begun_s = time.perf_counter()
        handles = []
        for number, prompt in enumerate(prompts):
            config = self.genai.GenerationConfig()
            config.eos_token_id, config.stop_token_ids = self.eos, {self.eos}
            config.max_new_tokens = num_new
            ids = self.openvino.Tensor(np.array([prompt], dtype=np.int64))
            handles.append(self.pipeline.add_request(number, ids, config))
        while self.pipeline.has_non_finished_requests():
            self.pipeline.step()
        seconds = time.perf_counter() - begun_s
        written = [output for handle in handles for output in handle.read_all()]
        return sum(len(output.generated_ids) for output in written) / seconds


@dataclass(slots=True)
class LlamaPeer:
    """llama.cpp's server; each answer is a request over HTTP, streamed by none."""

    server: Server

    def rate(self, prompts: Sequence[tuple[int, ...]], num_new: int) -> float:
        """See ``Peer.rate``."""
        begun_s = time.perf_counter()
        with ThreadPoolExecutor(len(prompts)) as threads:
            counts = list(threads.map(lambda prompt: self._write(prompt, num_new), prompts))
        return sum(counts) / (time.perf_counter() - begun_s)

    def _write(self, prompt: tuple[int, ...], num_new: int) -> int:
        body = {
            "prompt": list(prompt),
            "n_predict": num_new,
            "temperature": 0,
            "cache_prompt": False,
        }
        asked = urllib.request.Request(  # noqa: S310 - our own server, on loopback
            self.server.base_url.removesuffix("/v1") + "/completion",
            data=json.dumps(body).encode(),
            headers={
                "Content-Type": "application/json",
                "Authorization": f"Bearer {self.server.api_key}",
            },
        )
        with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as reply:  # noqa: S310 - the same
            said: dict[str, Any] = json.load(reply)
        return int(said["tokens_predicted"])


@contextlib.contextmanager
def bare_pipeline(settings: Settings, max_requests: int) -> Iterator[BarePipeline | None]:
    """OpenVINO's pipeline around the model of the settings; None if it cannot compute it."""
    source = find_model(settings.model)
    if source is None or why_not(source):
        yield None
        return
    import openvino  # noqa: PLC0415 - only a bench computes with it in this process
    import openvino_genai  # noqa: PLC0415 - the same

    prepared = ensure_prepared(source, settings.cache_dir, say)
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.num_kv_blocks = CACHE_TOKENS // 32
    scheduler.max_num_batched_tokens = 256
    scheduler.max_num_seqs = max_requests
    pipeline = openvino_genai.ContinuousBatchingPipeline(str(prepared.folder), scheduler, "CPU")
    ends = prepared.eos_token_ids
    yield BarePipeline(pipeline, openvino, openvino_genai, ends[0] if ends else 0)


@contextlib.contextmanager
def llama_server(settings: Settings, max_requests: int) -> Iterator[LlamaPeer | None]:
    """llama.cpp's server around the same weights as Q8_0; None if it is not installed."""
    source = find_model(settings.model)
    if not is_installed() or source is None or (source.path and source.path.is_dir()):
        yield None
        return
    from worker.engine.openvino.convert import rewrite_as_q8_0  # noqa: PLC0415 - imports torch

    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        file = Path(folder) / f"{source.name}.gguf"
        say("Writing the weights as Q8_0 for llama.cpp")
        rewrite_as_q8_0(source.find(), file)
        server = LlamaServer(
            ModelSource(source.name, source.digest, file), max_requests, CACHE_TOKENS
        )
        try:
            yield LlamaPeer(server.open())
        finally:
            server.close()

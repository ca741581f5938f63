"""transformers' continuous batching manager, adapted for a process that must not hang.

It reports the progress of its loop, never keeps a process alive, releases its memory when it has
died, and shares prefixes within a tenant only. The three overridden methods are no stable API, one
reason why transformers is pinned; the engine's tests fail if one is no longer called.
"""

import gc
import threading
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.generation.configuration_utils import ContinuousBatchingConfig
from transformers.generation.continuous_batching import ContinuousBatchingManager
from transformers.generation.continuous_batching.continuous_api import ContinuousBatchProcessor

from shared.logs import get_logger
from worker.engine.batch import Admission
from worker.engine.devices import pick_cache_tokens
from worker.engine.transformers_engine.loader import LoadedModel
from worker.engine.transformers_engine.manager_sampling import (
    RequestSampling,
    SeenTokens,
    terms_of,
)
from worker.engine.transformers_engine.prefix_sharing import TenantCache
from worker.engine.transformers_engine.sizing import (
    GPU_MEMORY_SHARE,
    GPU_SHARE_BESIDE_PICTURES,
    PAGE_TOKENS,
    batching_config,
)

log = get_logger(__name__)


class TransformersBatch(ContinuousBatchingManager):
    """One life of the manager: started once, closed once."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - what the base class asks for, no model has the type of
        generation: GenerationConfig,
        batching: ContinuousBatchingConfig,
        seen_tokens: SeenTokens | None,
    ) -> None:
        super().__init__(
            model=model, generation_config=generation, continuous_batching_config=batching
        )
        self.logit_processor = RequestSampling(seen_tokens)
        self.current_batch = 0
        self._last_step = 0
        self.num_moves = 0
        """Grows with every finished step, and ten times a second while there is no work. Not a
        time: after a process was frozen, all clocks say that its loop has been stuck."""
        self.has_begun = False
        """Whether the loop ever ran; if not, no request can have ended it."""

    def start(self) -> None:
        """Start the loop, on a thread that does not keep the process alive.

        A forward pass that never returns cannot be interrupted. A thread is a daemon if the one
        that starts
        it is.
        """
        if self.model.device.type == "cuda":
            self.warmup()  # sizes the cache and captures graphs: the first request need not wait
        starter = threading.Thread(target=super().start, daemon=True)
        starter.start()
        starter.join()

    def add(self, request_id: str, token_ids: list[int], terms: Admission) -> bool:
        """Add a request. See ``batch.Batch``."""
        added = self.add_request(
            token_ids,
            request_id=request_id,
            max_new_tokens=terms.max_new_tokens,
            streaming=True,
            **terms_of(terms.sampling, terms.num_drawn),
        )
        return added is not None

    @property
    def is_dead(self) -> bool:
        """Whether the loop has ended, or is about to."""
        return self.background_thread_status.fatal_error is not None or not self.is_running()

    def bury(self, timeout_s: float) -> str:
        """Stop and release the cache; return the name of the error it died of."""
        self.stop(hard_stop=True, timeout=timeout_s)
        cause = type(self.background_thread_status.fatal_error).__name__
        # Its traceback holds the loop's frames, and they hold the whole cache, beside which the
        # next one may not fit.
        self.background_thread_status.fatal_error = None
        gc.collect()
        return cause

    def _create_batch_processor(self) -> ContinuousBatchProcessor:
        processor = super()._create_batch_processor()
        # The manager creates the cache by class name. It has no state of its own, so its class can
        # be replaced.
        processor.cache.__class__ = TenantCache
        return processor

    def _generation_loop_body(
        self,
        batch_processor: ContinuousBatchProcessor,
        bootstrapping: bool,  # noqa: FBT001 - by place, as the manager calls it
    ) -> bool:
        self.has_begun = True
        try:
            goes_on = super()._generation_loop_body(batch_processor, bootstrapping)
        except (SystemExit, KeyboardInterrupt) as error:
            # Not an Exception: the loop would end without an error for the requests that wait.
            raise RuntimeError(f"{type(error).__name__} in a forward step") from error
        if self.current_batch != self._last_step or not batch_processor.has_pending_requests():
            self._last_step = self.current_batch
            self.num_moves += 1
        return goes_on


class TransformersBatches:
    """A factory of the manager's batches around one model; see ``worker.engine.batch.Batches``."""

    def __init__(
        self,
        loaded: LoadedModel,
        max_requests: int,
        cache_tokens: int | None,
        *,
        has_penalty: bool = False,
        reads_pictures: bool = False,
    ) -> None:
        """Compute the number of pages, where it is not left to the manager.

        Args:
            loaded: the model.
            max_requests: how many answers are written at once.
            cache_tokens: size of the cache; None: from the free memory.
            has_penalty: whether requests have a repetition penalty.
            reads_pictures: whether memory has to be left for another batch.
        """
        self._gpu_share = GPU_SHARE_BESIDE_PICTURES if reads_pictures else GPU_MEMORY_SHARE
        self._loaded = loaded
        self._max_requests = max_requests
        self._is_gpu = loaded.model.device.type == "cuda"
        self._is_flash_wanted = self._is_gpu
        self._first: TransformersBatch | None = None
        self._has_penalty = has_penalty
        if cache_tokens is None and not self._is_gpu:
            cache_tokens = pick_cache_tokens(
                loaded.text_config, loaded.model.device, loaded.model.dtype
            )
        self._num_pages = None if cache_tokens is None else max(2, cache_tokens // PAGE_TOKENS)
        self._num_usable = self._num_pages

    @property
    def capacity_tokens(self) -> int:
        """The longest sequence that fits; on a GPU known once the first batch has its cache."""
        if self._num_usable is None:
            self._first = self._first or self._started()
            processor = self._first.batch_processor
            self._num_usable = max(2, processor.cache.num_blocks) if processor else 2
        return (self._num_usable - 1) * PAGE_TOKENS

    @property
    def weight_bytes(self) -> int:
        """The bytes of weights that a step reads."""
        return self._loaded.num_linear_weights * self._loaded.model.dtype.itemsize

    def close(self) -> None:
        """End the batch that was started to learn its size, if it was never asked for."""
        first, self._first = self._first, None
        if first is not None:
            first.bury(0)

    def start(self) -> TransformersBatch:
        """Start a new batch."""
        first, self._first = self._first, None
        return first or self._started()

    def _started(self) -> TransformersBatch:
        batch = self._made()
        batch.start()
        return batch

    def _made(self) -> TransformersBatch:
        """A batch with the fastest attention that can be loaded here.

        The kernels of ``kernels`` are fetched from the hub at their first use.
        """
        if not self._is_flash_wanted:
            return self._with(is_flash_wanted=False)
        try:
            return self._with(is_flash_wanted=True)
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            self._is_flash_wanted = False
            self._loaded.model.set_attn_implementation("sdpa")
            log.warning("no_flash_attention", error=type(error).__name__)
            return self._with(is_flash_wanted=False)

    def _with(self, *, is_flash_wanted: bool) -> TransformersBatch:
        model = self._loaded.model
        generation = GenerationConfig(  # type: ignore[no-untyped-call]  # no stubs
            do_sample=False,
            eos_token_id=list(self._loaded.eos_token_ids) or -1,
            max_new_tokens=self._loaded.context_tokens,
        )
        batching = batching_config(
            self._max_requests,
            self._num_pages,
            is_gpu=self._is_gpu,
            is_async=False if self._has_penalty else None,
            gpu_share=self._gpu_share,
        )
        batching.auto_switch_to_flash = is_flash_wanted
        return TransformersBatch(model, generation, batching, self._seen_tokens())

    def _seen_tokens(self) -> SeenTokens | None:
        if not self._has_penalty:
            return None
        model: Any = self._loaded.model
        num_tokens = model.get_output_embeddings().weight.shape[0]
        return SeenTokens(self._max_requests, num_tokens, torch.device(model.device))

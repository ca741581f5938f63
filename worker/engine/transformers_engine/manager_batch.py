"""transformers' continuous batching manager, adapted for a process that must not hang.

It reports the progress of its loop, never keeps a process alive, releases its memory when it has
died, and shares prefixes within a tenant only. The three overridden methods are no stable API, one
reason why transformers is pinned; the engine's tests fail if one is no longer called.
"""

import gc
import threading
from typing import Any

from transformers import GenerationConfig
from transformers.generation.configuration_utils import ContinuousBatchingConfig
from transformers.generation.continuous_batching import ContinuousBatchingManager
from transformers.generation.continuous_batching.continuous_api import ContinuousBatchProcessor

from worker.engine.batch import Admission
from worker.engine.devices import pick_cache_tokens
from worker.engine.protocol import Sampling
from worker.engine.transformers_engine.loader import LoadedModel
from worker.engine.transformers_engine.prefix_sharing import TenantCache
from worker.engine.transformers_engine.seeding import SeededDraw, seeded

PAGE_TOKENS = 256
"""Tokens a page of the cache. On a CPU larger pages mean fewer gathers: 49 tokens/s against 39 with
64-token pages, 32 requests of the default model on two cores."""
CPU_BATCH_TOKENS = 512
"""Most tokens in one forward step on a CPU, so that a long prompt does not stall the others."""
COLD = Sampling(temperature=1e-7, top_p=1.0)
"""The manager either samples for all requests or for none; so cold a sample is the argmax."""
ANY_SAMPLING = Sampling(temperature=0.7, top_p=0.9)
"""Values that make the manager build its samplers; every request brings its own."""
UNBOUNDED = 0
"""The manager's own queue. With a bound its ``add_request`` would block for 10 s and then raise,
under
the engine's lock. The bound is the number of threads that read answers: each has one."""


class TransformersBatch(ContinuousBatchingManager):
    """One life of the manager: started once, closed once."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - what the base class asks for, no model has the type of
        generation: GenerationConfig,
        batching: ContinuousBatchingConfig,
    ) -> None:
        super().__init__(
            model=model, generation_config=generation, continuous_batching_config=batching
        )
        processors, draw = self.logit_processor, SeededDraw()
        processors.logits_processor.append(draw)
        processors.tensors_required += 1
        processors.supported_keys |= draw.supported_kwargs
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
        starter = threading.Thread(target=super().start, daemon=True)
        starter.start()
        starter.join()

    def add(self, request_id: str, token_ids: list[int], terms: Admission) -> bool:
        """Add a request. See ``batch.Batch``."""
        sampling = terms.sampling if terms.sampling.temperature else COLD
        added = self.add_request(
            token_ids,
            request_id=request_id,
            max_new_tokens=terms.max_new_tokens,
            streaming=True,
            temperature=sampling.temperature,
            top_p=1.0 if sampling.top_p is None else sampling.top_p,
            **seeded(sampling, terms.num_drawn),
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
    ) -> None:
        """Compute the number of pages.

        Args:
            loaded: the model.
            max_requests: how many answers are written at once.
            cache_tokens: size of the cache; None: from the free memory.
        """
        self._loaded = loaded
        self._max_requests = max_requests
        model = loaded.model
        wanted = cache_tokens or pick_cache_tokens(
            model.config.get_text_config(), model.device, model.dtype
        )
        self._num_pages = max(2, wanted // PAGE_TOKENS)

    @property
    def capacity_tokens(self) -> int:
        """The longest sequence that fits."""
        return (self._num_pages - 1) * PAGE_TOKENS

    @property
    def weight_bytes(self) -> int:
        """The bytes of weights that a step reads."""
        return self._loaded.num_linear_weights * self._loaded.model.dtype.itemsize

    def start(self) -> TransformersBatch:
        """Start a new batch."""
        generation = GenerationConfig(  # type: ignore[no-untyped-call]  # no stubs
            do_sample=True,
            temperature=ANY_SAMPLING.temperature,
            top_p=ANY_SAMPLING.top_p,
            eos_token_id=list(self._loaded.eos_token_ids) or -1,
            max_new_tokens=self.capacity_tokens,
        )
        batching = ContinuousBatchingConfig(
            page_size=PAGE_TOKENS,
            num_blocks=self._num_pages,
            max_batch_tokens=CPU_BATCH_TOKENS if self._loaded.model.device.type == "cpu" else None,
            max_requests_per_batch=self._max_requests,
            max_queue_size=UNBOUNDED,
            per_request_processors=True,
        )
        batch = TransformersBatch(self._loaded.model, generation, batching)
        batch.start()
        return batch

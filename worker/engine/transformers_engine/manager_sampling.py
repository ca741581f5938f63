"""Sampling inside transformers' manager: each request by its own parameters.

The manager takes the likeliest token of what this leaves. Its own processors are not used: they
know no min-p and no penalty, and sample either for all requests or for none.
"""

from typing import Any

import torch
from transformers import LogitsProcessorList
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessorList,
)
from transformers.generation.continuous_batching.requests import FutureRequestState, RequestState

from worker.engine.protocol import GREEDY, Sampling
from worker.engine.transformers_engine.sampling import (
    NUM_COLUMNS,
    chosen,
    packed,
    penalized,
    unpacked,
)

SAMPLING, STEP = "sampling", "step"
"""The state of a request: its parameters, and how many tokens were drawn with its seed already."""


class SeenTokens:
    """Which tokens each request has in its prompt or its answer, on the device."""

    def __init__(self, num_requests: int, num_tokens: int, device: torch.device) -> None:
        self._slots: dict[str, tuple[int, int]] = {}
        """Request -> its row, and how many of its tokens are noted; the longest unused first."""
        self.seen = torch.zeros(num_requests, num_tokens, dtype=torch.bool, device=device)

    def slot_of(self, state: RequestState) -> int:
        """The row of a request, up to date."""
        tokens = state.initial_tokens + state.generated_tokens
        slot, num_noted = self._slots.pop(state.request_id, (-1, 0))
        if slot < 0:
            if len(self._slots) == len(self.seen):
                oldest = next(iter(self._slots))
                slot, _ = self._slots.pop(oldest)
            else:
                slot = len(self._slots)
            self.seen[slot] = False
        new = torch.tensor(tokens[num_noted:], dtype=torch.int64, device=self.seen.device)
        self.seen[slot, new] = True
        self._slots[state.request_id] = slot, len(tokens)
        return slot


class RequestSampling(ContinuousBatchingLogitsProcessorList):
    """The manager's only logits processor."""

    def __init__(self, seen_tokens: SeenTokens | None) -> None:
        """Prepare.

        Args:
            seen_tokens: for repetition penalties; None where no request has one. The manager must
                then work synchronously, as else the last token is not known.
        """
        super().__init__(LogitsProcessorList())
        self._seen = seen_tokens
        self.tensors_required = NUM_COLUMNS + 1
        self.supported_keys = {SAMPLING: Sampling, STEP: int}
        self.do_processing = True

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """The values of rows without a request; (``tensors_required``, 1), int32."""
        int32_tensor.zero_()
        int32_tensor[:NUM_COLUMNS].copy_(packed([GREEDY], [0]))

    def prepare_tensor_args(
        self, requests_in_batch: list[FutureRequestState], arg_storage: torch.Tensor
    ) -> torch.Tensor:
        """Store the parameters of each request that gets a token; counts its step."""
        states = [request.state for request in requests_in_batch if request.has_new_token]
        terms = [state.logit_processor_kwargs for state in states]
        # A warm-up's requests bring no parameters.
        steps = [term.get(STEP, 0) for term in terms]
        columns = packed([term.get(SAMPLING, GREEDY) for term in terms], steps)
        for term, step in zip(terms, steps, strict=True):
            term[STEP] = step + 1
        arg_storage[:NUM_COLUMNS, : len(states)] = columns.to(arg_storage.device)
        if self._seen is not None:
            slots = [self._seen.slot_of(state) for state in states]
            arg_storage[NUM_COLUMNS, : len(states)] = torch.tensor(slots, dtype=torch.int32)
            if self._seen.seen.device.type == "cuda":
                # The step runs on a stream of its own.
                torch.cuda.current_stream(self._seen.seen.device).synchronize()
        return arg_storage

    def __call__(
        self, _input_ids: torch.Tensor, scores: torch.Tensor, logits_processor_args: torch.Tensor
    ) -> torch.Tensor:
        """The scores, so that the largest is the next token; (num_requests, num_tokens)."""
        rows = unpacked(logits_processor_args, scores.size(0))
        if self._seen is not None:
            slots = logits_processor_args[NUM_COLUMNS, : scores.size(0)].to(torch.int64)
            scores = penalized(scores, self._seen.seen[slots], rows.penalty)
        return chosen(scores, rows)


def terms_of(sampling: Sampling, num_drawn: int) -> dict[str, Any]:
    """The manager's parameters of a request, whose draws go on from this step."""
    return {SAMPLING: sampling, STEP: num_drawn}

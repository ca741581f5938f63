"""Two batches as one: prompts with pictures in a simple batch, all others in the manager's."""

from worker.engine.batch import Admission, BatchOutput
from worker.engine.transformers_engine.manager_batch import TransformersBatch, TransformersBatches
from worker.engine.transformers_engine.simple_batch import SimpleBatch, SimpleBatches

TURN_S = 0.01
"""How long the manager is listened to while answers about pictures are written."""


class PictureBatch:
    """One life of both. See ``worker.engine.batch.Batch``."""

    def __init__(self, texts: TransformersBatch, pictures: SimpleBatch) -> None:
        self._texts = texts
        self._pictures = pictures
        self._with_pictures: set[str] = set()
        self._moves = (0, 0)
        self._num_moves = 0

    def add(self, request_id: str, token_ids: list[int], terms: Admission) -> bool:
        """Add a request to the batch that can compute it."""
        if terms.inputs is None:
            return self._texts.add(request_id, token_ids, terms)
        self._with_pictures.add(request_id)
        return self._pictures.add(request_id, token_ids, terms)

    def cancel_request(self, request_id: str) -> None:
        """Drop a request before the next step."""
        if request_id in self._with_pictures:
            self._with_pictures.discard(request_id)
            self._pictures.cancel_request(request_id)
        else:
            self._texts.cancel_request(request_id)

    def get_result(self, *, timeout: float) -> BatchOutput | None:
        """The next output of either, if one arrives within so many seconds."""
        if not self._with_pictures:
            return self._texts.get_result(timeout=timeout)
        # Turns are counted and no clock is read: the engine takes each call for its whole time.
        for _ in range(max(1, round(timeout / TURN_S))):
            output = self._pictures.get_result(timeout=0)
            if output is not None and output.is_finished():
                self._with_pictures.discard(output.request_id)
            found = output or self._texts.get_result(timeout=TURN_S)
            if found is not None:
                return found
        return None

    @property
    def num_moves(self) -> int:
        """Grows when both have moved on: if one is stuck, so is the whole."""
        moves = (self._texts.num_moves, self._pictures.num_moves)
        if all(now != before for now, before in zip(moves, self._moves, strict=True)):
            self._moves = moves
            self._num_moves += 1
        return self._num_moves

    @property
    def has_begun(self) -> bool:
        """Whether either loop ever ran."""
        return self._texts.has_begun or self._pictures.has_begun

    @property
    def is_dead(self) -> bool:
        """Whether either has ended: they are replaced together."""
        return self._texts.is_dead or self._pictures.is_dead

    def bury(self, timeout_s: float) -> str:
        """Stop both; return the name of the error that one died of."""
        is_of_pictures = self._pictures.is_dead
        of_pictures = self._pictures.bury(timeout_s)
        of_texts = self._texts.bury(timeout_s)
        return of_pictures if is_of_pictures else of_texts


class PictureBatches:
    """A factory of both around one model; see ``worker.engine.batch.Batches``."""

    def __init__(self, texts: TransformersBatches, pictures: SimpleBatches) -> None:
        self._texts = texts
        self._pictures = pictures

    @property
    def capacity_tokens(self) -> int:
        """The longest sequence that fits."""
        return self._texts.capacity_tokens

    @property
    def weight_bytes(self) -> int:
        """The bytes of weights that a step reads."""
        return self._texts.weight_bytes

    def close(self) -> None:
        """End what was started in advance."""
        self._texts.close()
        self._pictures.close()

    def start(self) -> PictureBatch:
        """Start new ones."""
        return PictureBatch(self._texts.start(), self._pictures.start())

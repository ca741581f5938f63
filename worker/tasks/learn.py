"""The task that adds a document: parsed, cut into passages, and stored for its channel."""

import base64
import binascii
from collections.abc import Sequence

import numpy as np

from shared.errors import UnreadableDocumentError
from shared.replies import Done
from shared.tasks import Learn
from worker.engine.encoders.protocol import Embed, Vectors
from worker.handler import Outcome, RunEndedError
from worker.knowledge.reader_pool import ReaderPool, shown_name
from worker.knowledge.search import Search, place_of
from worker.knowledge.store import DocumentSubmission, LeaseLostError, digest_of
from worker.knowledge.visibility import channel_of
from worker.leases import HeldLease

EMBEDDED_AT_ONCE = 128
"""Some seconds on a processor, and several batches of texts of similar length."""


class Learner:
    """Adds documents; on many threads at once."""

    def __init__(self, search: Search, readers: ReaderPool, max_upload_mb: float) -> None:
        """``max_upload_mb``: the largest file that is read, in megabytes."""
        self._search = search
        self._readers = readers
        self._max_upload_mb = max_upload_mb

    def learn(self, held: HeldLease) -> Outcome:
        """Add a document for its channel. See ``handler.Handler``."""
        job = held.lease.job
        task = job.task
        if not isinstance(task, Learn):
            raise UnreadableDocumentError("There was no document to learn from.")
        origin = job.origin
        content = _content_of(task, job.text)
        name = shown_name(task.name)
        if not task.content and not name.endswith((".txt", ".md")):
            name = f"{name}.txt"
        document = self._readers.read_document(content, name, self._max_upload_mb, held)
        submission = DocumentSubmission(
            document,
            name,
            place_of(channel_of, origin),
            digest_of(content),
            task.link,
            origin.message,
            people=tuple(f"{origin.tenant}:{who}" for who in (origin.user, *job.quoted) if who),
            lease=(job.id, held.lease.token),
        )
        embedding = self._search.embedding
        embed = _interruptible(embedding.embed, held)
        try:
            change = self._search.library.put(submission, embed, embedding.name)
        except LeaseLostError:
            raise RunEndedError("") from None  # its message is gone, or its author is forgotten
        if task.is_unasked:
            return Outcome(Done(""))
        shown = shown_name(task.name).replace("`", "")
        passages = "passage" if change.num_passages == 1 else "passages"
        return Outcome(
            Done(
                f"I have learned `{shown}`, {change.num_passages:,} {passages}. "
                "Questions in this channel are answered from it, and nowhere else."
            )
        )


def _interruptible(embed: Embed, held: HeldLease) -> Embed:
    """Embed some texts at a time: of a long document all take minutes, and the run may have to end.

    Raises:
        RunEndedError: it has to; nothing is stored of the document.
    """

    def embed_some(texts: Sequence[str]) -> Vectors:
        found = []
        for start in range(0, len(texts), EMBEDDED_AT_ONCE):
            if held.is_over:
                raise RunEndedError("")
            found.append(embed(texts[start : start + EMBEDDED_AT_ONCE]))
        return np.concatenate(found)

    return embed_some


def _content_of(task: Learn, text: str) -> bytes:
    if not task.content:
        return text.encode("utf-8", "replace")
    try:
        return base64.b64decode(task.content, validate=True)
    except binascii.Error as error:
        raise UnreadableDocumentError("The file did not arrive whole: upload it again.") from error

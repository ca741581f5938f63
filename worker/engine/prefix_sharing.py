"""Shared prefixes, but only among the requests of one tenant.

transformers' cache finds equal beginnings by a hash of their tokens, whoever wrote them: how fast
an answer begins would tell one workspace what another has asked. Here the hash covers the tenant
too. The tenant travels in the name by which the cache knows a request, so nothing is kept.
"""

import copy
from array import array

from transformers.generation.continuous_batching.cache import PagedAttentionCache
from transformers.generation.continuous_batching.requests import RequestState

from worker.engine.protocol import Request
from worker.engine.tenant_salt import SALT_BYTES, Salts

LABEL_PREFIX_CHARS = 2 * SALT_BYTES


class Labels:
    """The names by which a batch knows requests: the tenant's salt, then the request's own id."""

    def __init__(self) -> None:
        self._salts = Salts()

    def label(self, request: Request) -> str:
        """What the batch is to call this request."""
        return self._salts.salt(request.salt) + request.id


def id_of(label: str) -> str:
    """The request's own id."""
    return label[LABEL_PREFIX_CHARS:]


class TenantCache(PagedAttentionCache):
    """A cache in which a prefix is found again by its own tenant alone.

    Both of these methods use the tokens for nothing but their hash. A block's hash covers that of
    the block before it, so a salt in the first block is in all of them.
    """

    def search_prefix_match(self, request_id: str, prompt_ids: list[int]) -> int:
        """How many tokens of this prompt are in the cache already, written by the same tenant."""
        return super().search_prefix_match(request_id, _salted(request_id, prompt_ids))

    def mark_complete_blocks(self, state: RequestState, complete_blocks: dict[str, int]) -> None:
        """Let blocks that are full now be found again by the same tenant."""
        if not complete_blocks:
            return  # most tokens complete no block, and the copies below are as long as the text
        known_as = copy.copy(state)
        known_as.initial_tokens = _salted(
            state.request_id, state.initial_tokens + state.generated_tokens
        )
        known_as.generated_tokens = []
        super().mark_complete_blocks(known_as, complete_blocks)


def _salted(label: str, token_ids: list[int]) -> list[int]:
    """The tokens with the salt mixed into the first ones, for hashing only.

    Eight words of 32 bits, as the cache hashes its tokens; ids have some 18 bits, so the chance
    that two tenants' words differ in the bits of an id alone is about 2 ** -112.
    """
    salt = array("i", bytes.fromhex(label[:LABEL_PREFIX_CHARS]))
    mixed = [token ^ word for token, word in zip(token_ids, salt, strict=False)]
    return mixed + token_ids[len(mixed) :]

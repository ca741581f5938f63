"""Prefix sharing restricted to the requests of one tenant.

transformers' cache finds equal prefixes by a hash of their tokens, from any tenant: the time to the
first token would tell one workspace what another has asked. Here the hash covers the tenant too.
The tenant is part of the request's id in the cache, so nothing is stored.
"""

import copy
from array import array

from transformers.generation.continuous_batching.cache import PagedAttentionCache
from transformers.generation.continuous_batching.requests import RequestState

from worker.engine.tenant_salt import LABEL_PREFIX_CHARS


class TenantCache(PagedAttentionCache):
    """A cache that shares a prefix only within its tenant.

    Both of these methods use the tokens for nothing but their hash. A block's hash covers that of
    the
    block before it, so a salt in the first block is in all of them.
    """

    def search_prefix_match(self, request_id: str, prompt_ids: list[int]) -> int:
        """The number of this prompt's tokens that the same tenant has in the cache already."""
        return super().search_prefix_match(request_id, _salted(request_id, prompt_ids))

    def mark_complete_blocks(self, state: RequestState, complete_blocks: dict[str, int]) -> None:
        """Make full blocks available to later requests of the same tenant."""
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

"""Tenant salts: an opaque name of a tenant, in the ids of its requests, for prefix sharing."""

import hashlib
import secrets

from worker.engine.protocol import Request

SALT_BYTES = 32
LABEL_PREFIX_CHARS = 2 * SALT_BYTES


class Salts:
    """A keyed hash of each tenant's name.

    It has a fixed length, identifies no tenant, and cannot be computed from a known list of
    tenants.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(SALT_BYTES)

    def salt(self, tenant: str) -> str:
        """Hexadecimal, ``2 * SALT_BYTES`` characters; the same for the same tenant."""
        return hashlib.blake2b(tenant.encode(), key=self._key, digest_size=SALT_BYTES).hexdigest()


class Labels:
    """The ids of requests in a batch: the tenant's salt, then the request's own id."""

    def __init__(self) -> None:
        self._salts = Salts()

    def label(self, request: Request) -> str:
        """The id of this request in the batch."""
        return self._salts.salt(request.salt) + request.id


def id_of(label: str) -> str:
    """The request's own id."""
    return label[LABEL_PREFIX_CHARS:]

"""Tenant salts: an opaque name of a tenant for prefix sharing."""

import hashlib
import secrets

SALT_BYTES = 32


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

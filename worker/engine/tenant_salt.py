"""What a tenant is called where beginnings of prompts are shared: a name that tells nothing."""

import hashlib
import secrets

SALT_BYTES = 32


class Salts:
    """A keyed hash of a tenant's name each.

    It has a fixed length, names nobody and cannot be computed by somebody who knows which tenants
    there are.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(SALT_BYTES)

    def salt(self, tenant: str) -> str:
        """Hexadecimal, ``2 * SALT_BYTES`` characters; the same for the same tenant."""
        return hashlib.blake2b(tenant.encode(), key=self._key, digest_size=SALT_BYTES).hexdigest()

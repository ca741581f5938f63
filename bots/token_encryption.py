"""Secrets kept in Redis, sealed with a key that is not there: Fernet, with room for a new key."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from shared.errors import SettingsError

HOW = (
    "make one with: python -c 'from cryptography.fernet import Fernet; "
    "print(Fernet.generate_key().decode())'"
)


class TokenDecryptionError(Exception):
    """It was sealed with a key that is not among ours."""


class TokenCipher:
    """Seals with the first of its keys and opens with any: a new key is put before the old one."""

    def __init__(self, keys: str) -> None:
        """``keys``: with commas between.

        Raises:
            SettingsError: one of them is no key.
        """
        words = [key.strip() for key in keys.split(",") if key.strip()]
        try:
            self._fernet = MultiFernet([Fernet(word) for word in words])
        except ValueError:
            raise SettingsError(
                f"PARLEY_SECRET_KEY holds something that is no key: {HOW}."
            ) from None

    def close(self, text: str) -> bytes:
        """The text, sealed."""
        return self._fernet.encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """What was sealed.

        Raises:
            UnsealableError: with another key, or it was tampered with.
        """
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise TokenDecryptionError from None

    def renew(self, sealed: bytes) -> bytes:
        """The same, sealed with the first key. Raises as ``open`` does."""
        try:
            return self._fernet.rotate(sealed)
        except InvalidToken:
            raise TokenDecryptionError from None

"""Encryption of secrets kept in Redis, with a key kept outside it: Fernet, with key rotation."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from shared.errors import SettingsError

HOW = (
    "make one with: python -c 'from cryptography.fernet import Fernet; "
    "print(Fernet.generate_key().decode())'"
)


class TokenDecryptionError(Exception):
    """The token was encrypted with a key that is not configured."""


class TokenCipher:
    """Encrypts with its first key and decrypts with any: a new key is put before the old one."""

    def __init__(self, keys: str) -> None:
        """``keys``: separated by commas.

        Raises:
            SettingsError: one of them is not a valid key.
        """
        words = [key.strip() for key in keys.split(",") if key.strip()]
        try:
            self._fernet = MultiFernet([Fernet(word) for word in words])
        except ValueError:
            raise SettingsError(
                f"PARLEY_SECRET_KEY holds something that is no key: {HOW}."
            ) from None

    def close(self, text: str) -> bytes:
        """Encrypt a text."""
        return self._fernet.encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """Decrypt a text.

        Raises:
            TokenDecryptionError: it was encrypted with another key, or tampered with.
        """
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise TokenDecryptionError from None

    def renew(self, sealed: bytes) -> bytes:
        """The same text, encrypted with the first key. Raises as ``open`` does."""
        try:
            return self._fernet.rotate(sealed)
        except InvalidToken:
            raise TokenDecryptionError from None

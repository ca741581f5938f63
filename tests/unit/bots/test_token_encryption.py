"""Sealing: what is sealed cannot be read, and a new key takes the old one's place."""

import pytest
from cryptography.fernet import Fernet

from bots.token_encryption import TokenCipher, TokenDecryptionError
from shared.errors import SettingsError

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_what_is_sealed_is_opened_and_not_read() -> None:
    sealed = TokenCipher(OLD).close("xoxb-1")

    assert b"xoxb" not in sealed
    assert TokenCipher(OLD).open(sealed) == "xoxb-1"


def test_a_new_key_before_the_old_one_opens_both_and_seals_anew() -> None:
    sealed = TokenCipher(OLD).close("xoxb-1")
    both = TokenCipher(f"{NEW}, {OLD}")

    assert both.open(sealed) == "xoxb-1"
    assert TokenCipher(NEW).open(both.renew(sealed)) == "xoxb-1"
    assert TokenCipher(NEW).open(both.close("xoxb-2")) == "xoxb-2"


def test_another_key_opens_nothing() -> None:
    sealed = TokenCipher(OLD).close("xoxb-1")

    for use in (TokenCipher(NEW).open, TokenCipher(NEW).renew):
        with pytest.raises(TokenDecryptionError):
            use(sealed)
    with pytest.raises(TokenDecryptionError):
        TokenCipher(OLD).open(sealed[:-4] + b"AAA=")


@pytest.mark.parametrize(
    "keys",
    ["", "secret", f"{OLD},x", "A" * 44],
    ids=["none", "word", "second is a word", "too long"],
)
def test_what_is_no_key_is_refused_with_a_sentence(keys: str) -> None:
    with pytest.raises(SettingsError, match="PARLEY_SECRET_KEY") as refusal:
        TokenCipher(keys)

    assert "generate_key" in str(refusal.value)

"""Certificates: what is wrong with one, in a sentence."""

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shared.errors import SettingsError

CA = "PARLEY_REDIS_CA"
CERT = "PARLEY_REDIS_CERT"
KEY = "PARLEY_REDIS_KEY"
FILES = {"ssl_ca_certs": CA, "ssl_certfile": CERT, "ssl_keyfile": KEY}
"""redis-py's option → the setting."""

UNKNOWN_AUTHORITY = (
    "is signed by an authority that this machine does not know",
    f"name a PEM file with the authority's certificate in {CA}",
)
OTHER_NAME = (
    "is for another name than the one in PARLEY_REDIS_URL",
    "write the name that it is for, or give the server a certificate for this one",
)
VERDICTS = {
    9: ("is not valid yet", "check the clocks of both machines"),
    10: ("has expired", "give the server a new one"),
    18: ("is signed by itself", f"name a PEM file with it in {CA}, if it is the right one"),
    2: UNKNOWN_AUTHORITY,
    19: UNKNOWN_AUTHORITY,
    20: UNKNOWN_AUTHORITY,
    21: UNKNOWN_AUTHORITY,
    62: OTHER_NAME,
    64: OTHER_NAME,
}
"""OpenSSL's X509_V_ERR_* → what is wrong, and what to do."""
WANTS_OURS = frozenset({"TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE"})
REFUSES_OURS = frozenset(
    {
        "TLSV1_ALERT_UNKNOWN_CA",
        "TLSV1_ALERT_ACCESS_DENIED",
        "TLSV1_ALERT_DECRYPT_ERROR",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    }
)


def explain(error: BaseException, place: str, *, is_tls: bool) -> str | None:
    """The sentence about the certificate or the TLS behind an error; None if it is about neither.

    Args:
        error: as redis-py raised it.
        place: the server's, without a password.
        is_tls: whether the address asks for TLS.
    """
    for each in _causes(error):
        if isinstance(each, ssl.SSLError) and (sentence := _of_handshake(each, place)):
            return sentence
        if is_tls and isinstance(each, (ssl.SSLError, TimeoutError, ConnectionResetError)):
            return (
                f"No TLS is spoken at {place}: start Redis's TLS port, or write redis:// in "
                "PARLEY_REDIS_URL if it has none."
            )
    if "closed by server" not in str(error):
        return None
    if is_tls:
        return (
            f"Redis at {place} closed the connection: set {CERT} and {KEY} if it wants a "
            "certificate from Parley, and look into its log if they are set."
        )
    return (
        f"Redis at {place} closed the connection: write rediss:// in PARLEY_REDIS_URL if it "
        "wants TLS, and look into its log if not."
    )


def _of_handshake(error: ssl.SSLError, place: str) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        what, then = VERDICTS.get(
            error.verify_code, (f"is refused ({error.verify_message})", "give the server another")
        )
        return f"The certificate of Redis at {place} {what}: {then}."
    if error.reason in WANTS_OURS:
        return f"Redis at {place} wants a certificate from Parley: set {CERT} and {KEY}."
    if error.reason in REFUSES_OURS:
        return (
            f"Redis at {place} refuses the certificate in {CERT}: use one that an authority of "
            "the server's signed and that has not expired."
        )
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it."""
    now: BaseException | None = error
    while now is not None:
        yield now
        now = now.__cause__ or now.__context__


def require_readable(tls: Mapping[str, Any]) -> None:
    """Load the files that an address names.

    Args:
        tls: redis-py's options.

    Raises:
        SettingsError: one is missing or is not what its setting asks for.
    """
    named = {option: str(tls[option]) for option in FILES if tls.get(option)}
    for option, path in named.items():
        try:
            Path(path).read_bytes()
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise SettingsError(f"{FILES[option]} cannot be read at {path}: {reason}.") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca := named.get("ssl_ca_certs"):
        try:
            context.load_verify_locations(ca)
        except (ssl.SSLError, ValueError) as error:
            raise SettingsError(f"{CA} at {ca} holds no certificate in PEM.") from error
    if ("ssl_certfile" in named) != ("ssl_keyfile" in named):
        raise SettingsError(f"{CERT} and {KEY} belong together: set both or none.")
    if cert := named.get("ssl_certfile"):
        _require_pair(context, cert, named["ssl_keyfile"], tls.get("ssl_password"))


def _require_pair(context: ssl.SSLContext, cert: str, key: str, password: object) -> None:
    def ask() -> str:
        """Called for an encrypted key; OpenSSL would ask at the terminal."""
        if password:
            return str(password)
        raise SettingsError(
            f"{KEY} at {key} is encrypted: name a key without a password, or add its password to "
            "PARLEY_REDIS_URL as the option ssl_password."
        )

    try:
        context.load_cert_chain(cert, key, password=ask)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SettingsError(f"{KEY} at {key} is not the key of {CERT} at {cert}.") from error
        raise SettingsError(
            f"{CERT} at {cert} and {KEY} at {key} are no certificate and key in PEM."
        ) from error

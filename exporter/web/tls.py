"""
Converts the TLS settings of the web config to Python's ssl.
"""

import ipaddress
import os
import platform
import ssl
import sys
from collections.abc import Iterable
from pathlib import Path

import structlog

from exporter.web.config import ClientAuth, TlsServerConfig, TlsVersion
from exporter.web.go_names import CURVES

_log = structlog.get_logger()

_VERSIONS = {
    TlsVersion.TLS12: ssl.TLSVersion.TLSv1_2,
    TlsVersion.TLS13: ssl.TLSVersion.TLSv1_3,
}
_VERIFY = {
    ClientAuth.NONE: ssl.CERT_NONE,
    ClientAuth.VERIFY_IF_GIVEN: ssl.CERT_OPTIONAL,
    ClientAuth.REQUIRE_AND_VERIFY: ssl.CERT_REQUIRED,
}


def make_context(config: TlsServerConfig) -> ssl.SSLContext:
    """
    The TLS context for connections. Raises ValueError with the invalid key and the reason.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[config.min_version]
    context.maximum_version = _VERSIONS[config.max_version]
    context.set_alpn_protocols(["http/1.1"])
    if not config.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        if config.openssl_ciphers:
            context.set_ciphers(":".join(config.openssl_ciphers))
        for curve in config.curve_preferences:
            _select_curve(context, curve)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(
            f"cipher_suites or curve_preferences: not supported by OpenSSL: {error}"
        ) from error
    _load_certificate(context, config)
    _verify_clients(context, config)
    return context


def _select_curve(context: ssl.SSLContext, curve: str) -> None:
    """
    Offer this curve only, as Go does, where Python's ssl can.

    Before gh-103242 (in Debian 12's Python 3.11.2, not in 3.11.7), set_ecdh_curve() needs an
    EC_KEY, which X25519 does not have. OpenSSL's default list then stays. Its first choice is
    X25519, but it also offers other curves, so this logs a warning. Rejecting a valid config would
    leave the host without metrics.
    """
    try:
        context.set_ecdh_curve(CURVES[curve])
    except ssl.SSLError as error:
        if error.reason != "UNKNOWN_GROUP":
            raise
        _log.warning(
            "curve_preferences not applied, offering OpenSSL's default curves",
            curve=curve,
            python=platform.python_version(),
        )


def is_allowed(certificate: object, allowed: Iterable[str]) -> bool:
    """
    Whether a client certificate, from SSLObject.getpeercert(), has one of these names.
    """
    names = certificate.get("subjectAltName", ()) if isinstance(certificate, dict) else ()
    return not set(allowed).isdisjoint(_name(kind, value) for kind, value in names)


def _name(kind: str, value: str) -> str:
    # OpenSSL writes 0:0:0:0:0:0:0:1 for ::1.
    return str(ipaddress.ip_address(value)) if kind == "IP Address" else value


def _load_certificate(context: ssl.SSLContext, config: TlsServerConfig) -> None:
    cert, cert_key = _pem(config, "cert", "CERTIFICATE")
    key, key_key = _pem(config, "key", "PRIVATE KEY")
    try:
        if config.cert_file and config.key_file:
            context.load_cert_chain(config.cert_file, config.key_file, _no_password)
        else:
            _load_from_memory(context, cert + "\n" + key)
    except OSError as error:  # includes ssl.SSLError
        reason = "it does not match the certificate" if "MISMATCH" in str(error) else str(error)
        raise ValueError(f"{cert_key} and {key_key}: the key cannot be used: {reason}") from error


def _load_from_memory(context: ssl.SSLContext, pem: str) -> None:
    """
    Load the certificate from a memory file, because Python's ssl only accepts files.
    """
    if sys.platform != "linux":
        raise ValueError(
            "cert and key: not supported on this platform; allowed: cert_file, key_file"
        )
    descriptor = os.memfd_create("certificate")
    try:
        os.write(descriptor, pem.encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=_no_password)
    finally:
        os.close(descriptor)


def _no_password() -> str:
    """
    Called for an encrypted key. Otherwise OpenSSL would prompt on the terminal.
    """
    raise ValueError("key: is encrypted; allowed: keys without a password")


def _verify_clients(context: ssl.SSLContext, config: TlsServerConfig) -> None:
    context.verify_mode = _VERIFY[config.client_auth_type]
    # Like Go, trust the given certificates even if they are not self-signed roots.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if config.client_ca or config.client_ca_file:
        authority, key = _pem(config, "client_ca", "CERTIFICATE")
        try:
            if config.client_ca:
                ascii_only = authority.encode("ascii", "replace").decode("ascii")
                context.load_verify_locations(cadata=ascii_only)
            else:
                context.load_verify_locations(cafile=config.client_ca_file)
        except OSError as error:  # includes ssl.SSLError
            raise ValueError(f"{key}: cannot be used: {error}") from error
    elif config.client_auth_type is not ClientAuth.NONE:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)


def _pem(config: TlsServerConfig, name: str, kind: str) -> tuple[str, str]:
    """
    The PEM text of the key or of its file, and the name of the key that was used.
    """
    key, text = name, getattr(config, name)
    if not text:
        key = f"{name}_file"
        file = Path(getattr(config, key))
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise ValueError(f"{key}: {file} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ValueError(f"{key}: {file} is not in PEM format") from error
    if f"{kind}-----" not in text:
        raise ValueError(f"{key}: no {kind.lower()} in PEM format found")
    return text, key

"""
The file of --web.config.file, in the format of Prometheus' exporter-toolkit.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md. Unsupported
parts of the format are errors, never ignored.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from exporter.config.schema import parse_duration
from exporter.config.yaml_file import Section, read_yaml
from exporter.web.go_names import CIPHER_SUITES, CURVES

_HASH = re.compile(r"\$2[abxy]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_HEADERS: dict[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-Content-Type-Options": ("nosniff",),
    "X-XSS-Protection": (),
    "Strict-Transport-Security": (),
}
"""The headers that may be set, and their allowed values; empty: any value."""


class ClientAuth(StrEnum):
    """
    Client certificate requirements, by the names of Go.
    """

    NONE = "NoClientCert"
    VERIFY_IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRE_AND_VERIFY = "RequireAndVerifyClientCert"


_UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")


def _client_auth(value: object) -> object:
    if value in _UNVERIFIED:
        raise ValueError(
            f"{value} accepts certificates without verification, which is not supported;"
            f" allowed: {', '.join(ClientAuth)}"
        )
    return value or ClientAuth.NONE


class TlsVersion(StrEnum):
    """
    Supported TLS versions.
    """

    TLS12 = "TLS12"
    TLS13 = "TLS13"


def _tls_version(value: object) -> object:
    if value in ("TLS10", "TLS11"):
        raise ValueError(
            f"{value} is deprecated (RFC 8996) and not supported; allowed: TLS12, TLS13"
        )
    return value


_Version = Annotated[TlsVersion, Field(strict=False), BeforeValidator(_tls_version)]


def _in_folder(value: str, info: ValidationInfo) -> str:
    return str(Path(info.context or "") / value) if value else ""


FileName = Annotated[str, AfterValidator(_in_folder)]
"""A path, relative to the folder of the web config file."""


def _of(names: Iterable[str]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"{value!r} is unknown; allowed: {', '.join(names)}")
        return value

    return AfterValidator(check)


def _one_curve(value: list[str]) -> list[str]:
    if len(value) > 1:
        raise ValueError("an order of several curves is not supported; allowed: one curve, or none")
    return value


def _secret(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004  pydantic converts ValueError
    return value


class TlsServerConfig(Section):
    """
    TLS settings. An empty string means not set.
    """

    cert: str = ""
    key: Annotated[str, BeforeValidator(_secret)] = ""
    client_ca: str = ""
    cert_file: FileName = ""
    key_file: FileName = ""
    client_auth_type: Annotated[ClientAuth, Field(strict=False), BeforeValidator(_client_auth)] = (
        ClientAuth.NONE
    )
    client_ca_file: FileName = ""
    client_allowed_sans: list[str] = Field(default=[])
    min_version: _Version = TlsVersion.TLS12
    max_version: _Version = TlsVersion.TLS13
    cipher_suites: list[Annotated[str, _of(CIPHER_SUITES)]] = Field(default=[])
    prefer_server_cipher_suites: bool = True
    curve_preferences: Annotated[list[Annotated[str, _of(CURVES)]], AfterValidator(_one_curve)] = (
        Field(default=[])
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for name in ("cert", "key", "client_ca"):
            inline, file = getattr(self, name), getattr(self, f"{name}_file")
            if inline and file:
                raise ValueError(f"{name} and {name}_file are mutually exclusive")
            if not (inline or file) and name != "client_ca":
                raise ValueError(f"{name}_file (or {name}) is required")
        if (self.client_ca or self.client_ca_file) and self.client_auth_type is ClientAuth.NONE:
            raise ValueError(
                "client_ca requires a client_auth_type that verifies certificates; allowed:"
                f" {ClientAuth.VERIFY_IF_GIVEN}, {ClientAuth.REQUIRE_AND_VERIFY}"
            )
        if self.client_allowed_sans and not self.requires_certificate:
            raise ValueError(
                f"client_allowed_sans requires client_auth_type: {ClientAuth.REQUIRE_AND_VERIFY}"
            )
        if self.min_version > self.max_version:
            raise ValueError("min_version must not be above max_version")
        if self.cipher_suites and not self.openssl_ciphers and self.min_version == TlsVersion.TLS12:
            raise ValueError(
                "cipher_suites has no suite for TLS 1.2; add one, or set min_version: TLS13"
            )
        return self

    @property
    def requires_certificate(self) -> bool:
        """
        Whether clients must present a valid certificate.
        """
        return self.client_auth_type is ClientAuth.REQUIRE_AND_VERIFY

    @property
    def openssl_ciphers(self) -> list[str]:
        """
        The listed TLS 1.2 suites, by the names of OpenSSL.
        """
        return [cipher for suite in self.cipher_suites if (cipher := CIPHER_SUITES[suite])]


def _no_http2(value: object) -> object:
    if value is True:
        raise ValueError("HTTP/2 is not supported; allowed: false")
    return value


def _headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if name not in _HEADERS:
            raise ValueError(f"header {name!r} cannot be set; allowed: {', '.join(_HEADERS)}")
        if text and _HEADERS[name] and text not in _HEADERS[name]:
            raise ValueError(f"{name} cannot be {text!r}; allowed: {', '.join(_HEADERS[name])}")
        if not re.fullmatch(r"[\t\x20-\x7e]*", text):
            raise ValueError(f"{name} cannot be {text!r}; allowed: one line of printable ASCII")
    return value


class HttpServerConfig(Section):
    """
    HTTP settings.
    """

    http2: Annotated[Literal[False], BeforeValidator(_no_http2)] = False
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(default={})


def _interval(value: object) -> float:
    return 0.0 if value in ("0", 0) and value is not False else parse_duration(value)


class RateLimitSection(Section):
    """
    A token bucket: one request per interval (seconds; 0: no limit), and burst at once.
    """

    interval: Annotated[float, BeforeValidator(_interval)] = 0.0
    burst: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _allows_requests(self) -> Self:
        if self.interval and not self.burst:
            raise ValueError("burst must be at least 1 if interval is set")
        return self


def _users(value: object) -> object:
    """
    Checked before validation by pydantic, whose messages could show passwords.
    """
    if not isinstance(value, dict):
        raise ValueError("must be a mapping of user names to bcrypt hashes")  # noqa: TRY004
    for name, password in value.items():
        if not isinstance(name, str) or ":" in name:
            raise ValueError(f"{name!r} is not a user name; allowed: text without ':'")
        if not isinstance(password, str) or not _HASH.fullmatch(password):
            raise ValueError(
                f"the password of {name!r} is not a bcrypt hash; example: $2y$10$..., created with"
                " htpasswd -nBC 10 NAME"
            )
    return value


def _not_empty(value: object) -> object:
    if value is None:
        raise ValueError("must not be empty; add keys, or remove the section")
    return value


class WebConfig(Section):
    """
    The web config file. An empty one means plain HTTP without authentication.
    """

    tls_server_config: Annotated[TlsServerConfig | None, BeforeValidator(_not_empty)] = None
    http_server_config: HttpServerConfig = HttpServerConfig()
    basic_auth_users: Annotated[dict[str, str], BeforeValidator(_users)] = Field(default={})
    rate_limit: RateLimitSection = RateLimitSection()

    @property
    def authenticates(self) -> bool:
        """
        Whether all clients must authenticate.
        """
        tls = self.tls_server_config
        return bool(self.basic_auth_users) or (tls is not None and tls.requires_certificate)


def load(file: Path) -> WebConfig:
    """
    The web configuration in the file. Raises ConfigError.
    """
    return read_yaml(file, WebConfig)

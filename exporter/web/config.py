"""
The file that --web.config.file names, in the format of Prometheus' exporter-toolkit.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md. A file is
obeyed whole: what of the format cannot be had here is an error that says so.
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
"""The headers that may be set, and the values allowed; none named: any."""


class ClientAuth(StrEnum):
    """
    Which clients need a certificate, as Go names it.
    """

    NONE = "NoClientCert"
    VERIFY_IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRE_AND_VERIFY = "RequireAndVerifyClientCert"


_UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")


def _client_auth(value: object) -> object:
    if value in _UNVERIFIED:
        raise ValueError(
            f"{value} takes any certificate without verifying it, which this exporter cannot do;"
            f" use one of {', '.join(ClientAuth)}"
        )
    return value or ClientAuth.NONE


class TlsVersion(StrEnum):
    """
    The versions of TLS that are offered.
    """

    TLS12 = "TLS12"
    TLS13 = "TLS13"


def _tls_version(value: object) -> object:
    if value in ("TLS10", "TLS11"):
        raise ValueError(f"{value} is deprecated (RFC 8996) and not offered; use TLS12 or TLS13")
    return value


_Version = Annotated[TlsVersion, Field(strict=False), BeforeValidator(_tls_version)]


def _in_folder(value: str, info: ValidationInfo) -> str:
    return str(Path(info.context or "") / value) if value else ""


FileName = Annotated[str, AfterValidator(_in_folder)]
"""A path, relative to the folder of the file it stands in."""


def _of(names: Iterable[str]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"{value!r} is not known; allowed are {', '.join(names)}")
        return value

    return AfterValidator(check)


def _one_curve(value: list[str]) -> list[str]:
    if len(value) > 1:
        raise ValueError("of several curves none can be preferred here; name one, or none")
    return value


def _secret(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004  pydantic turns these into messages
    return value


class TlsServerConfig(Section):
    """
    How TLS is spoken. An empty string is none.
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
    def _is_whole(self) -> Self:
        for name in ("cert", "key", "client_ca"):
            inline, file = getattr(self, name), getattr(self, f"{name}_file")
            if inline and file:
                raise ValueError(f"{name} and {name}_file exclude each other")
            if not (inline or file) and name != "client_ca":
                raise ValueError(f"{name}_file (or {name}) is required")
        if (self.client_ca or self.client_ca_file) and self.client_auth_type is ClientAuth.NONE:
            raise ValueError("a client CA needs a client_auth_type that verifies certificates")
        if self.client_allowed_sans and not self.requires_certificate:
            raise ValueError(
                f"client_allowed_sans needs client_auth_type: {ClientAuth.REQUIRE_AND_VERIFY}"
            )
        if self.min_version > self.max_version:
            raise ValueError("min_version is above max_version")
        if self.cipher_suites and not self.openssl_ciphers and self.min_version == TlsVersion.TLS12:
            raise ValueError("cipher_suites has none for TLS 1.2; add one, or min_version: TLS13")
        return self

    @property
    def requires_certificate(self) -> bool:
        """
        Whether clients must show a certificate that verifies.
        """
        return self.client_auth_type is ClientAuth.REQUIRE_AND_VERIFY

    @property
    def openssl_ciphers(self) -> list[str]:
        """
        The suites of TLS 1.2 that are listed, in OpenSSL's words.
        """
        return [cipher for suite in self.cipher_suites if (cipher := CIPHER_SUITES[suite])]


def _no_http2(value: object) -> object:
    if value is True:
        raise ValueError("this exporter speaks HTTP/1.1 only; say false, or leave it out")
    return value


def _headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if name not in _HEADERS:
            raise ValueError(f"{name!r} cannot be set; allowed are {', '.join(_HEADERS)}")
        if text and _HEADERS[name] and text not in _HEADERS[name]:
            raise ValueError(f"{name} must be {' or '.join(_HEADERS[name])}, not {text!r}")
        if not re.fullmatch(r"[\t\x20-\x7e]*", text):
            raise ValueError(f"{name} must be one line of ASCII, not {text!r}")
    return value


class HttpServerConfig(Section):
    """
    How HTTP is spoken.
    """

    http2: Annotated[Literal[False], BeforeValidator(_no_http2)] = False
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(default={})


def _interval(value: object) -> float:
    return 0.0 if value in ("0", 0) and value is not False else parse_duration(value)


class RateLimit(Section):
    """
    A token bucket: a request each interval (seconds; 0: no limit), and so many at once.
    """

    interval: Annotated[float, BeforeValidator(_interval)] = 0.0
    burst: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _lets_something_through(self) -> Self:
        if self.interval and not self.burst:
            raise ValueError("burst must be at least 1, or no request is ever served")
        return self


def _users(value: object) -> object:
    """
    Checked before anything else can be: messages must not show what may be a password.
    """
    if not isinstance(value, dict):
        raise ValueError("must hold names and hashed passwords")  # noqa: TRY004
    for name, password in value.items():
        if not isinstance(name, str) or ":" in name:
            raise ValueError(f"{name!r} is no name of a user: they are text without ':'")
        if not isinstance(password, str) or not _HASH.fullmatch(password):
            raise ValueError(
                f"the password of {name!r} is no bcrypt hash, which looks like $2y$10$...; make one"
                " with: htpasswd -nBC 10 NAME"
            )
    return value


def _not_empty(value: object) -> object:
    if value is None:
        raise ValueError("must hold keys and values, or be left out")
    return value


class WebConfig(Section):
    """
    The whole file. Without any of it, plain HTTP for everybody.
    """

    tls_server_config: Annotated[TlsServerConfig | None, BeforeValidator(_not_empty)] = None
    http_server_config: HttpServerConfig = HttpServerConfig()
    basic_auth_users: Annotated[dict[str, str], BeforeValidator(_users)] = Field(default={})
    rate_limit: RateLimit = RateLimit()

    @property
    def authenticates(self) -> bool:
        """
        Whether nobody is answered who has not shown who they are.
        """
        tls = self.tls_server_config
        return bool(self.basic_auth_users) or (tls is not None and tls.requires_certificate)


def load(file: Path) -> WebConfig:
    """
    The web configuration in the file. Raises ConfigError.
    """
    return read_yaml(file, WebConfig)

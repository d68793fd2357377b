"""
Validation of the web config.
"""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config.yaml_file import ConfigError
from exporter.web.access import AccessControl
from exporter.web.config import ClientAuth, WebConfig, load
from exporter.web.go_names import CIPHER_SUITES, CURVES

HASH = "$2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze"

SAMPLE = f"""
# TLS and basic authentication, as in the exporter-toolkit's docs/web-config.yml.
tls_server_config:
  cert_file: server.crt
  key_file: server.key
basic_auth_users:
  alice: {HASH}
  bob: $2y$10$hLqFl9jSjoAAy95Z/zw8Ye8wkdMBM8c5Bn1ptYqP/AXyV0.oy0S8m
rate_limit:
  interval: "1s"
  burst: 20
"""

EVERY_KEY = """
# Every key of the exporter-toolkit's docs/web-configuration.md.
tls_server_config:
  cert: ""
  key: ""
  client_ca: ""
  cert_file: server.crt
  key_file: /etc/ssl/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: tls/ca.crt
  client_allowed_sans: [prometheus.example.org]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: true
  curve_preferences: [CurveP256]
http_server_config:
  http2: false
  headers:
    Content-Security-Policy: default-src 'none'
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection: 1; mode=block
    Strict-Transport-Security: max-age=63072000
basic_auth_users: {}
rate_limit:
  interval: 0
  burst: 0
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """
    The path of a web config for tests.
    """
    return tmp_path / "web.yml"


def error_of(file: Path, content: str) -> str:
    """
    The error of load() for this content, with FILE as the file's name.
    """
    file.write_text(content)
    with pytest.raises(ConfigError) as error:
        load(file)
    return str(error.value).replace(str(file), "FILE")


@pytest.mark.parametrize("content", ["", "{}", "# nothing\n"])
def test_empty(file: Path, content: str) -> None:
    """
    An empty file means plain HTTP without authentication.
    """
    file.write_text(content)
    assert load(file) == WebConfig()
    assert not load(file).authenticates


def test_sample(file: Path) -> None:
    """
    The toolkit's sample is valid. File names are relative to its folder.
    """
    file.write_text(SAMPLE)
    config = load(file)
    assert config.tls_server_config is not None
    assert config.tls_server_config.cert_file == str(file.parent / "server.crt")
    assert config.tls_server_config.client_auth_type is ClientAuth.NONE
    assert config.basic_auth_users["alice"] == HASH
    assert (config.rate_limit.interval, config.rate_limit.burst) == (1, 20)
    assert config.authenticates


def test_every_key(file: Path) -> None:
    """
    Every key of the toolkit's documentation is supported.
    """
    file.write_text(EVERY_KEY)
    config = load(file)
    tls = config.tls_server_config
    assert tls is not None
    assert (tls.key_file, tls.client_ca_file) == (
        "/etc/ssl/server.key",
        str(file.parent / "tls" / "ca.crt"),
    )
    assert tls.openssl_ciphers == ["ECDHE-RSA-AES128-GCM-SHA256"]
    assert config.authenticates
    assert len(config.http_server_config.headers) == 5
    assert config.rate_limit.interval == 0


def in_tls(entries: str) -> str:
    """
    A file with these entries in addition to certificate and key.
    """
    return f"tls_server_config: {{cert_file: a, key_file: b, {entries}}}"


SECTIONS = "tls_server_config, http_server_config, basic_auth_users, rate_limit"
HEADERS = (
    "Content-Security-Policy, X-Frame-Options, X-Content-Type-Options, X-XSS-Protection,"
    " Strict-Transport-Security"
)
NO_HASH = ("basic_auth_users: ", "'alice'", "$2y$10$", "htpasswd")
AUTH_TYPES = "NoClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert"

UNUSABLE: dict[str, tuple[str, ...]] = {
    "tls_config: {}": ("tls_config: ", SECTIONS),
    "tls_server_config:": ("tls_server_config: ", "empty"),
    "tls_server_config: {}": ("tls_server_config: ", "cert_file", "required"),
    "tls_server_config: {min_version: TLS13}": ("tls_server_config: ", "cert_file", "required"),
    "tls_server_config: {cert_file: a}": ("tls_server_config: ", "key_file", "required"),
    in_tls("cert: x"): ("tls_server_config: ", "cert and cert_file"),
    in_tls("client_ca_file: c"): ("tls_server_config: ", "client_ca", "client_auth_type"),
    in_tls("client_allowed_sans: [a], client_auth_type: VerifyClientCertIfGiven"): (
        "tls_server_config: ",
        "client_allowed_sans",
        "client_auth_type: RequireAndVerifyClientCert",
    ),
    in_tls("client_auth_type: RequestClientCert"): (
        "tls_server_config.client_auth_type: ",
        "RequestClientCert",
        AUTH_TYPES,
    ),
    in_tls("client_auth_type: RequireAnyClientCert"): (
        "tls_server_config.client_auth_type: ",
        "RequireAnyClientCert",
        AUTH_TYPES,
    ),
    in_tls("client_auth_type: Perhaps"): (
        "tls_server_config.client_auth_type: ",
        "'Perhaps'",
        "'NoClientCert', 'VerifyClientCertIfGiven' or 'RequireAndVerifyClientCert'",
    ),
    in_tls("min_version: TLS10"): (
        "tls_server_config.min_version: ",
        "TLS10",
        "RFC 8996",
        "TLS12, TLS13",
    ),
    in_tls("max_version: SSL3"): (
        "tls_server_config.max_version: ",
        "'SSL3'",
        "'TLS12' or 'TLS13'",
    ),
    in_tls("min_version: TLS13, max_version: TLS12"): (
        "tls_server_config: ",
        "min_version",
        "max_version",
    ),
    in_tls("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]"): (
        "tls_server_config.cipher_suites[0]: ",
        "'TLS_RSA_WITH_RC4_128_SHA'",
        ", ".join(CIPHER_SUITES),
    ),
    in_tls("cipher_suites: [TLS_AES_128_GCM_SHA256]"): (
        "tls_server_config: ",
        "cipher_suites",
        "TLS 1.2",
        "min_version: TLS13",
    ),
    in_tls("curve_preferences: [P-256]"): (
        "tls_server_config.curve_preferences[0]: ",
        "'P-256'",
        ", ".join(CURVES),
    ),
    in_tls("curve_preferences: [X25519, CurveP256]"): (
        "tls_server_config.curve_preferences: ",
        "one curve",
    ),
    "http_server_config: {http2: true}": ("http_server_config.http2: ", "false"),
    "http_server_config: {headers: {Server: exporter}}": (
        "http_server_config.headers: ",
        "'Server'",
        HEADERS,
    ),
    "http_server_config: {headers: {X-Frame-Options: never}}": (
        "http_server_config.headers: X-Frame-Options ",
        "'never'",
        "deny, sameorigin",
    ),
    'http_server_config: {headers: {X-XSS-Protection: "a\\r\\nSet-Cookie: b"}}': (
        "http_server_config.headers: X-XSS-Protection ",
        "'a\\r\\nSet-Cookie: b'",
        "ASCII",
    ),
    "basic_auth_users:": ("basic_auth_users: ", "user names", "hashes"),
    "basic_auth_users: [alice]": ("basic_auth_users: ", "user names", "hashes"),
    "basic_auth_users: {alice: wonderland}": NO_HASH,
    "basic_auth_users: {alice: 12345}": NO_HASH,
    f"basic_auth_users: {{alice: {HASH[:-1]}}}": NO_HASH,
    f"basic_auth_users: {{alice: {HASH.replace('$10$', '$32$')}}}": NO_HASH,
    f"basic_auth_users: {{'a:b': {HASH}}}": ("basic_auth_users: ", "'a:b'", "without ':'"),
    "rate_limit: {interval: 1s}": ("rate_limit: ", "burst", "1"),
    "rate_limit: {interval: 1}": ("rate_limit.interval: 1 ", "duration", "350s"),
    "rate_limit: {interval: false}": ("rate_limit.interval: False ", "duration", "350s"),
    "rate_limit: {interval: 1s, burst: -1}": ("rate_limit.burst: ", "-1", "equal to 0"),
}


@pytest.mark.parametrize(("content", "facts"), UNUSABLE.items(), ids=[*UNUSABLE])
def test_unusable(file: Path, content: str, facts: tuple[str, ...]) -> None:
    """
    Each error is one line with the file, the key and what is allowed.

    Unsupported values are errors too. Possible passwords are not repeated.
    """
    message = error_of(file, content)
    place, *others = facts
    assert message.startswith(f"FILE: {place}")
    assert all(fact in message for fact in others)
    assert "\n" not in message
    assert not any(secret in message for secret in ("wonderland", "12345", HASH[:-1]))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["TLS12", "1s", HASH, "RequireAndVerifyClientCert", *CURVES]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *WebConfig.model_fields,
                    *("cert", "key_file", "client_ca_file", "min_version", "cipher_suites"),
                    *("headers", "http2", "interval", "burst", "X-Frame-Options"),
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(content=VALUES)
def test_any_content(content: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    """
    Any content is either a web config or a ConfigError.
    """
    file = tmp_path_factory.getbasetemp() / "web.yml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    try:
        access = AccessControl(file)
    except ConfigError as error:
        assert str(error).startswith(f"{file}: ")  # noqa: PT017  either outcome is correct
    else:
        assert access.rules().tls is None  # there are no certificates

"""
The web config: what it may hold, and what is said of what it may not.
"""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config.yaml_file import ConfigError
from exporter.web.access import Access
from exporter.web.config import ClientAuth, WebConfig, load
from exporter.web.go_names import CIPHER_SUITES, CURVES

HASH = "$2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze"

SAMPLE = f"""
# TLS and basic authentication, as the exporter-toolkit's docs/web-config.yml has them.
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
    Where a test may write a web config.
    """
    return tmp_path / "web.yml"


def complaint(file: Path, content: str) -> str:
    """
    What load() says of a file with this content, the file's name shortened to FILE.
    """
    file.write_text(content)
    with pytest.raises(ConfigError) as error:
        load(file)
    return str(error.value).replace(str(file), "FILE")


@pytest.mark.parametrize("content", ["", "{}", "# nothing\n"])
def test_empty(file: Path, content: str) -> None:
    """
    A file that says nothing leaves plain HTTP for everybody.
    """
    file.write_text(content)
    assert load(file) == WebConfig()
    assert not load(file).authenticates


def test_sample(file: Path) -> None:
    """
    The toolkit's sample is understood; files are looked for beside it.
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
    Every key of the toolkit's documentation is known.
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
    A file with these entries besides certificate and key.
    """
    return f"tls_server_config: {{cert_file: a, key_file: b, {entries}}}"


SECTIONS = "tls_server_config, http_server_config, basic_auth_users, rate_limit"
HEADERS = (
    "Content-Security-Policy, X-Frame-Options, X-Content-Type-Options, X-XSS-Protection,"
    " Strict-Transport-Security"
)
NO_HASH = "is no bcrypt hash, which looks like $2y$10$...; make one with: htpasswd -nBC 10 NAME"
NOT_VERIFIED = (
    "takes any certificate without verifying it, which this exporter cannot do; use one of"
    " NoClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert"
)

UNUSABLE = {
    "tls_config: {}": f"tls_config: unknown key; allowed are {SECTIONS}",
    "tls_server_config:": "tls_server_config: must hold keys and values, or be left out",
    "tls_server_config: {}": "tls_server_config: cert_file (or cert) is required",
    "tls_server_config: {min_version: TLS13}": (
        "tls_server_config: cert_file (or cert) is required"
    ),
    "tls_server_config: {cert_file: a}": "tls_server_config: key_file (or key) is required",
    in_tls("cert: x"): "tls_server_config: cert and cert_file exclude each other",
    in_tls("client_ca_file: c"): (
        "tls_server_config: a client CA needs a client_auth_type that verifies certificates"
    ),
    in_tls("client_allowed_sans: [a], client_auth_type: VerifyClientCertIfGiven"): (
        "tls_server_config: client_allowed_sans needs client_auth_type: RequireAndVerifyClientCert"
    ),
    in_tls("client_auth_type: RequestClientCert"): (
        f"tls_server_config.client_auth_type: RequestClientCert {NOT_VERIFIED}"
    ),
    in_tls("client_auth_type: RequireAnyClientCert"): (
        f"tls_server_config.client_auth_type: RequireAnyClientCert {NOT_VERIFIED}"
    ),
    in_tls("client_auth_type: Perhaps"): (
        "tls_server_config.client_auth_type: Input should be 'NoClientCert',"
        " 'VerifyClientCertIfGiven' or 'RequireAndVerifyClientCert', not 'Perhaps'"
    ),
    in_tls("min_version: TLS10"): (
        "tls_server_config.min_version: TLS10 is deprecated (RFC 8996) and not offered; use TLS12"
        " or TLS13"
    ),
    in_tls("max_version: SSL3"): (
        "tls_server_config.max_version: Input should be 'TLS12' or 'TLS13', not 'SSL3'"
    ),
    in_tls("min_version: TLS13, max_version: TLS12"): (
        "tls_server_config: min_version is above max_version"
    ),
    in_tls("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]"): (
        "tls_server_config.cipher_suites[0]: 'TLS_RSA_WITH_RC4_128_SHA' is not known; allowed are"
        f" {', '.join(CIPHER_SUITES)}"
    ),
    in_tls("cipher_suites: [TLS_AES_128_GCM_SHA256]"): (
        "tls_server_config: cipher_suites has none for TLS 1.2; add one, or min_version: TLS13"
    ),
    in_tls("curve_preferences: [P-256]"): (
        "tls_server_config.curve_preferences[0]: 'P-256' is not known; allowed are"
        f" {', '.join(CURVES)}"
    ),
    in_tls("curve_preferences: [X25519, CurveP256]"): (
        "tls_server_config.curve_preferences: of several curves none can be preferred here; name"
        " one, or none"
    ),
    "http_server_config: {http2: true}": (
        "http_server_config.http2: this exporter speaks HTTP/1.1 only; say false, or leave it out"
    ),
    "http_server_config: {headers: {Server: exporter}}": (
        f"http_server_config.headers: 'Server' cannot be set; allowed are {HEADERS}"
    ),
    "http_server_config: {headers: {X-Frame-Options: never}}": (
        "http_server_config.headers: X-Frame-Options must be deny or sameorigin, not 'never'"
    ),
    'http_server_config: {headers: {X-XSS-Protection: "a\\r\\nSet-Cookie: b"}}': (
        "http_server_config.headers: X-XSS-Protection must be one line of ASCII, not"
        " 'a\\r\\nSet-Cookie: b'"
    ),
    "basic_auth_users:": "basic_auth_users: must hold names and hashed passwords",
    "basic_auth_users: [alice]": "basic_auth_users: must hold names and hashed passwords",
    "basic_auth_users: {alice: wonderland}": f"basic_auth_users: the password of 'alice' {NO_HASH}",
    "basic_auth_users: {alice: 12345}": f"basic_auth_users: the password of 'alice' {NO_HASH}",
    f"basic_auth_users: {{alice: {HASH[:-1]}}}": (
        f"basic_auth_users: the password of 'alice' {NO_HASH}"
    ),
    f"basic_auth_users: {{alice: {HASH.replace('$10$', '$32$')}}}": (
        f"basic_auth_users: the password of 'alice' {NO_HASH}"
    ),
    f"basic_auth_users: {{'a:b': {HASH}}}": (
        "basic_auth_users: 'a:b' is no name of a user: they are text without ':'"
    ),
    "rate_limit: {interval: 1s}": (
        "rate_limit: burst must be at least 1, or no request is ever served"
    ),
    "rate_limit: {interval: 1}": (
        "rate_limit.interval: 1 is no duration; write it like 350s, 4m, 1h30m or 500ms"
    ),
    "rate_limit: {interval: false}": (
        "rate_limit.interval: False is no duration; write it like 350s, 4m, 1h30m or 500ms"
    ),
    "rate_limit: {interval: 1s, burst: -1}": (
        "rate_limit.burst: Input should be greater than or equal to 0, not -1"
    ),
}


@pytest.mark.parametrize(("content", "message"), UNUSABLE.items(), ids=[*UNUSABLE])
def test_unusable(file: Path, content: str, message: str) -> None:
    """
    Each problem is a line with the file, the key and what is allowed; what cannot be honoured is a
    problem; and what may be a password is not repeated.
    """
    assert complaint(file, content) == f"FILE: {message}"


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
    Whatever a file holds, it is a web config or a ConfigError.
    """
    file = tmp_path_factory.getbasetemp() / "web.yml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    try:
        access = Access(file)
    except ConfigError as error:
        assert str(error).startswith(f"{file}: ")  # noqa: PT017  either outcome is right
    else:
        assert access.rules().tls is None  # there are no certificates

"""
TLS of the web config.
"""

import asyncio
import re
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.config.yaml_file import ConfigError
from exporter.web.access import AccessControl
from tests.lab.requirements import needs
from tests.web.conftest import Latest, serving
from tests.web.pki import authority
from tests.web.secured import Address, Secured, get, replace, secured
from tests.web.test_passwords import hashed

pytestmark = pytest.mark.system

OK = "HTTP/1.1 200 OK"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Secured:
    """
    The certificates of this module.
    """
    return secured(tmp_path_factory.mktemp("pki"))


@asynccontextmanager
async def exporter(file: Path) -> AsyncIterator[Address]:
    """
    The address of an application with this web config.
    """
    access = AccessControl(file)
    async with serving(Latest().app(access=access), access) as address:
        yield address


async def s_client(address: Address, *options: str) -> str:
    """
    The output of `openssl s_client`.
    """
    host, port = address
    return await _output("openssl", "s_client", "-connect", f"{host}:{port}", *options)


async def curl(address: Address, *options: str) -> str:
    """
    The status that curl reports for /metrics; 000 without a response.
    """
    host, port = address
    report = ("--silent", "--output", "/dev/null", "--write-out", "%{http_code}")
    return await _output(needs("curl"), *report, *options, f"https://{host}:{port}/metrics")


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return output.decode()


async def test_tls(pki: Secured) -> None:
    """
    With a certificate and a key, the exporter serves HTTPS with that certificate.
    """
    async with exporter(pki.write()) as address:
        assert await get(address, pki.client()) == OK
        seen = await s_client(address, "-CAfile", str(pki.authority.cert), "-alpn", "h2,http/1.1")
    assert "Verification: OK" in seen
    assert "TLSv1.3" in seen
    assert "ALPN protocol: http/1.1" in seen


async def test_curl(pki: Secured) -> None:
    """
    Clients such as curl require both a client certificate and a password.
    """
    own = pki.authority.sign("curl")
    trust = ("--cacert", str(pki.authority.cert))
    shown = ("--cert", str(own.cert), "--key", str(own.key))
    users = {"alice": hashed("wonderland")}
    async with exporter(pki.write(pki.verified(), basic_auth_users=users)) as address:
        assert await curl(address, *trust, *shown, "--user", "alice:wonderland") == "200"
        assert await curl(address, *trust, *shown, "--user", "alice:guess") == "401"
        assert await curl(address, *trust, *shown) == "401"
        assert await curl(address, *trust, "--user", "alice:wonderland") == "000"
        assert await curl(address, *shown, "--user", "alice:wonderland") == "000"
        plain = ("--insecure", "--http2", *shown, "--user", "alice:wonderland")
        assert await curl(address, *plain) == "200"


async def test_inline(pki: Secured) -> None:
    """
    Certificates and keys may be inline in the web config.
    """
    cert, key = pki.server.cert.read_text(), pki.server.key.read_text()
    inline = {"cert_file": "", "key_file": "", "cert": cert, "key": key}
    client = pki.authority.sign("inline-client")
    signer = pki.verified(client_ca_file="", client_ca=pki.authority.cert.read_text())
    async with exporter(pki.write(inline | signer)) as address:
        assert await get(address, pki.client()) == ""
        assert await get(address, pki.client(client)) == OK
    async with exporter(pki.write({"cert_file": "", "cert": cert})) as address:
        assert await get(address, pki.client()) == OK


@pytest.mark.parametrize(
    ("tls", "works", "fails"),
    [
        ({}, ["-tls1_2", "-tls1_3"], ["-tls1_1"]),
        ({"min_version": "TLS13"}, ["-tls1_3"], ["-tls1_2"]),
        ({"max_version": "TLS12"}, ["-tls1_2"], ["-tls1_3"]),
        (
            {"cipher_suites": ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"], "max_version": "TLS12"},
            ["-cipher ECDHE-ECDSA-AES256-GCM-SHA384"],
            ["-cipher ECDHE-ECDSA-AES128-GCM-SHA256"],
        ),
        ({"curve_preferences": ["CurveP384"]}, ["-curves P-384"], ["-curves X25519"]),
    ],
    ids=lambda value: " ".join(value) or "default",
)
async def test_parameters(
    pki: Secured, tls: dict[str, object], works: list[str], fails: list[str]
) -> None:
    """
    TLS versions, cipher suites and curves follow the config.
    """
    async with exporter(pki.write(tls)) as address:
        for options in works:
            assert "Cipher is (NONE)" not in await s_client(address, *options.split())
        for options in fails:
            assert "Cipher is (NONE)" in await s_client(address, *options.split())


async def test_x25519(pki: Secured) -> None:
    """
    X25519 is offered; others with it only if a warning says so, as Debian 12's Python makes it.
    """
    with capture_logs() as log:
        async with exporter(pki.write({"curve_preferences": ["X25519"]})) as address:
            assert "Cipher is (NONE)" not in await s_client(address, "-curves", "X25519")
            others = "Cipher is (NONE)" not in await s_client(address, "-curves", "P-256")
    assert [each["curve"] for each in log if each["log_level"] == "warning"] == ["X25519"] * others


async def test_x25519_on_older_python(pki: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where ssl cannot select it, OpenSSL's own curves are offered, X25519 before the others.
    """
    monkeypatch.setattr(ssl.SSLContext, "set_ecdh_curve", unknown_group)
    with capture_logs() as log:
        async with exporter(pki.write({"curve_preferences": ["X25519"]})) as address:
            seen = await s_client(address, "-curves", "X25519:P-256")
            assert re.search(r"(Temp Key|group): X25519\b", seen)  # as OpenSSL 3.0, 3.5 prints it
            assert "Cipher is (NONE)" not in await s_client(address, "-curves", "P-256")
    (warning,) = log
    assert warning["event"].startswith("curve_preferences not applied")


def unknown_group(_context: ssl.SSLContext, _name: str) -> None:
    """
    What set_ecdh_curve does with X25519 in Python 3.11.2.
    """
    error = ssl.SSLError(129, "[EC: UNKNOWN_GROUP] unknown group (_ssl.c:4346)")
    error.reason = "UNKNOWN_GROUP"
    raise error


@pytest.mark.parametrize(("server_prefers", "strength"), [(True, 256), (False, 128)])
async def test_preference(pki: Secured, server_prefers: bool, strength: int) -> None:
    """
    The order of cipher suites is the server's or the client's, as configured.
    """
    suites = [f"TLS_ECDHE_ECDSA_WITH_AES_{each}" for each in ("256_GCM_SHA384", "128_GCM_SHA256")]
    ciphers = ":".join(f"ECDHE-ECDSA-AES{each}" for each in ("128-GCM-SHA256", "256-GCM-SHA384"))
    tls = {"cipher_suites": suites, "prefer_server_cipher_suites": server_prefers}
    async with exporter(pki.write(tls)) as address:
        seen = await s_client(address, "-tls1_2", "-cipher", ciphers)
    assert f"Cipher is ECDHE-ECDSA-AES{strength}-GCM" in seen


@pytest.mark.parametrize(
    ("auth", "answers"),
    [
        ("NoClientCert", [OK, OK, OK]),
        ("VerifyClientCertIfGiven", [OK, "", OK]),
        ("RequireAndVerifyClientCert", ["", "", OK]),
    ],
)
async def test_client_certificates(
    pki: Secured, tmp_path: Path, auth: str, answers: list[str]
) -> None:
    """
    Clients without a certificate, with a foreign one, and with one of the client CA.
    """
    ca = "" if auth == "NoClientCert" else pki.authority.cert.name
    shown = [None, authority(tmp_path).sign("stranger"), pki.authority.sign("friend")]
    async with exporter(pki.write({"client_auth_type": auth, "client_ca_file": ca})) as address:
        assert [await get(address, pki.client(each)) for each in shown] == answers


async def test_client_certificates_by_system_roots(
    pki: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Without a client CA, the system roots are trusted, as in Go.
    """
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.authority.cert))
    shown = [authority(tmp_path).sign("stranger"), pki.authority.sign("friend")]
    async with exporter(pki.write(pki.verified(client_ca_file=""))) as address:
        assert [await get(address, pki.client(each)) for each in shown] == ["", OK]


@pytest.mark.parametrize(
    ("sans", "answer"),
    [
        (["DNS:prometheus.example"], OK),
        (["DNS:other.example", "IP:2001:db8::1"], OK),
        (["URI:spiffe://example/prometheus"], OK),
        (["email:prometheus@example.org"], OK),
        (["DNS:other.example"], ""),
        (["DNS:PROMETHEUS.example"], ""),
        ([], ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
async def test_allowed_names(pki: Secured, sans: list[str], answer: str) -> None:
    """
    With client_allowed_sans, a certificate must have one of these names exactly.
    """
    allowed = [
        "prometheus.example",
        "2001:db8::1",
        "spiffe://example/prometheus",
        "prometheus@example.org",
    ]
    client = pki.authority.sign("named", *sans)
    async with exporter(pki.write(pki.verified(client_allowed_sans=allowed))) as address:
        assert await get(address, pki.client(client)) == answer


async def test_rotation(pki: Secured, tmp_path: Path) -> None:
    """
    A new certificate applies to new connections. Old ones are closed at their next request.
    """
    other = authority(tmp_path)
    new = other.sign("new", "IP:127.0.0.1")
    trusts_new = ssl.create_default_context(cafile=other.cert)
    file = pki.write()
    before = pki.server.cert.read_text(), pki.server.key.read_text()
    try:
        async with exporter(file) as address:
            reader, writer = await asyncio.open_connection(*address, ssl=pki.client())
            writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: exporter\r\n\r\n")
            assert (await reader.readline()).decode().strip() == OK
            assert await get(address, trusts_new) == ""
            replace(pki.server.cert, new.cert.read_text())
            assert await get(address, pki.client()) == OK, "key not replaced yet"
            replace(pki.server.key, new.key.read_text())
            assert await get(address, trusts_new) == OK
            assert await get(address, pki.client()) == ""
            await reader.readuntil(b"healthy.\n")
            writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: exporter\r\n\r\n")
            assert await reader.read() == b""
            writer.close()
    finally:
        replace(pki.server.cert, before[0])
        replace(pki.server.key, before[1])


async def test_plain_http(pki: Secured, caplog: pytest.LogCaptureFixture) -> None:
    """
    Plain HTTP on a TLS port is disconnected, and not logged above debug level.
    """
    async with exporter(pki.write()) as address:
        assert await get(address) == ""
        assert await get(address, pki.client()) == OK
    assert [record.message for record in caplog.records] == []


async def test_silent_client(pki: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A client without a handshake in time is disconnected.
    """
    monkeypatch.setattr("exporter.web.server.REQUEST_TIMEOUT", 0.3)
    async with exporter(pki.write()) as address:
        reader, writer = await asyncio.open_connection(*address)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


@pytest.mark.parametrize(
    ("tls", "keys", "fact"),
    [
        ({"cert_file": "absent.pem"}, "cert_file", "{folder}/absent.pem"),
        ({"cert_file": "server.key"}, "cert_file", "certificate"),
        ({"key_file": "server.crt"}, "key_file", "private key"),
        ({"key_file": "authority.key"}, "cert_file and key_file", "match"),
        ({"key_file": "encrypted.key"}, "key", "encrypted"),
        ({"cert_file": "binary.pem"}, "cert_file", "{folder}/binary.pem"),
        (
            {"client_auth_type": "VerifyClientCertIfGiven", "client_ca_file": "server.key"},
            "client_ca_file",
            "certificate",
        ),
        (
            {"client_auth_type": "VerifyClientCertIfGiven", "client_ca_file": "mangled.pem"},
            "client_ca_file",
            "cannot be used: ",
        ),
        (
            {"client_auth_type": "VerifyClientCertIfGiven", "client_ca": "CERTIFICATE-----\n\xe9"},
            "client_ca",
            "cannot be used: ",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_unusable(pki: Secured, tls: dict[str, object], keys: str, fact: str) -> None:
    """
    Errors about certificates and keys name the config key and the reason.
    """
    (pki.folder / "binary.pem").write_bytes(b"\xff\xfe")
    lines = pki.server.cert.read_text().splitlines()
    (pki.folder / "mangled.pem").write_text("\n".join([lines[0], "AAAA", lines[-1]]))
    subprocess.run(
        [
            *("openssl", "ec", "-in", str(pki.server.key), "-aes128", "-passout", "pass:secret"),
            *("-out", str(pki.folder / "encrypted.key")),
        ],
        capture_output=True,
        check=True,
    )
    file = pki.write(tls)
    with pytest.raises(ConfigError) as error:
        AccessControl(file)
    assert str(error.value).startswith(f"{file}: tls_server_config.{keys}: ")
    assert fact.format(folder=pki.folder) in str(error.value)


async def test_handshakes_are_bounded(pki: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A flood of clients without a handshake does not lock out others.
    """
    monkeypatch.setattr("exporter.web.server.MOST_CONNECTIONS", 5)
    async with exporter(pki.write()) as address:
        flood = [socket.create_connection(address) for _ in range(20)]
        assert await get(address, pki.client()) == OK
        for client in flood:
            client.close()

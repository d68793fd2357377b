"""
A web config with certificates in a folder, and TLS clients.
"""

import asyncio
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.web.pki import Authority, Certificate, authority

Address = tuple[str, int]


@dataclass(frozen=True)
class Secured:
    """
    A folder with certificates of the server and of the authority for server and clients.
    """

    folder: Path
    authority: Authority
    server: Certificate

    @property
    def file(self) -> Path:
        """
        The web config.
        """
        return self.folder / "web.yml"

    def write(self, tls: dict[str, Any] | None = None, **sections: Any) -> Path:
        """
        Write a web config with the server's certificate, further TLS keys and other sections.
        """
        own = {"cert_file": self.server.cert.name, "key_file": self.server.key.name}
        replace(self.file, yaml.safe_dump({"tls_server_config": own | (tls or {}), **sections}))
        return self.file

    def verified(self, **tls: Any) -> dict[str, Any]:
        """
        TLS keys that require client certificates.
        """
        return {
            "client_auth_type": "RequireAndVerifyClientCert",
            "client_ca_file": self.authority.cert.name,
            **tls,
        }

    def client(self, certificate: Certificate | None = None) -> ssl.SSLContext:
        """
        TLS context of a client that verifies the server, optionally with a certificate.
        """
        context = ssl.create_default_context(cafile=self.authority.cert)
        if certificate:
            context.load_cert_chain(certificate.cert, certificate.key)
        return context


def secured(folder: Path) -> Secured:
    """
    A folder with an authority and a server certificate.
    """
    signer = authority(folder)
    return Secured(folder, signer, signer.sign("server", "DNS:localhost", "IP:127.0.0.1"))


def replace(file: Path, text: str) -> None:
    """
    Replace a file atomically, as tools that rotate certificates do.
    """
    new = file.with_name(file.name + ".new")
    new.write_text(text)
    os.replace(new, file)  # noqa: PTH105  the documented name


def remove(file: Path) -> None:
    """
    Remove a file.
    """
    file.unlink()


async def get(
    address: Address, context: ssl.SSLContext | None = None, path: str = "/-/healthy"
) -> str:
    """
    The first line of the response to a GET on a new connection; empty without a response.
    """
    try:
        reader, writer = await asyncio.open_connection(*address, ssl=context)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: exporter\r\n\r\n".encode())
            return (await asyncio.wait_for(reader.readline(), 10)).decode().strip()
        finally:
            writer.close()
    except OSError:
        return ""

"""
A web config in a folder with its certificates, and clients that speak TLS.
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
    The folder's certificates: of the server, and of those who sign it and its clients.
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
        Write a web config with the server's certificate, more of TLS, and other sections.
        """
        own = {"cert_file": self.server.cert.name, "key_file": self.server.key.name}
        replace(self.file, yaml.safe_dump({"tls_server_config": own | (tls or {}), **sections}))
        return self.file

    def verified(self, **tls: Any) -> dict[str, Any]:
        """
        More of TLS, for a config that verifies clients.
        """
        return {
            "client_auth_type": "RequireAndVerifyClientCert",
            "client_ca_file": self.authority.cert.name,
            **tls,
        }

    def client(self, certificate: Certificate | None = None) -> ssl.SSLContext:
        """
        TLS of a client that verifies the server, and shows a certificate if it has one.
        """
        context = ssl.create_default_context(cafile=self.authority.cert)
        if certificate:
            context.load_cert_chain(certificate.cert, certificate.key)
        return context


def secured(folder: Path) -> Secured:
    """
    A folder with a server's certificate in it.
    """
    signer = authority(folder)
    return Secured(folder, signer, signer.sign("server", "DNS:localhost", "IP:127.0.0.1"))


def replace(file: Path, text: str) -> None:
    """
    Write a file as those who rotate certificates do: whole, or not at all.
    """
    new = file.with_name(file.name + ".new")
    new.write_text(text)
    os.replace(new, file)  # noqa: PTH105  what it is called in every manual


def remove(file: Path) -> None:
    """
    Remove a file.
    """
    file.unlink()


async def get(
    address: Address, context: ssl.SSLContext | None = None, path: str = "/-/healthy"
) -> str:
    """
    The first line of the answer to a GET on a connection of its own; empty if there is none.
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

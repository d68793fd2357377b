"""
Certificates created with openssl.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab.requirements import needs

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


@dataclass(frozen=True)
class Certificate:
    """
    A certificate file and its key file.
    """

    cert: Path
    key: Path


class Authority(Certificate):
    """
    A certificate that can sign others.
    """

    def sign(
        self, name: str, *sans: str, key: tuple[str, ...] = _CURVE, directory: Path | None = None
    ) -> Certificate:
        """
        A certificate with these names, such as DNS:localhost, in files called name.
        """
        made = _files(directory or self.cert.parent, name)
        signer = ("-CA", str(self.cert), "-CAkey", str(self.key))
        extensions = ("-addext", f"subjectAltName={','.join(sans)}") if sans else ()
        _make(made, name, *key, *signer, *extensions, "-addext", "basicConstraints=CA:FALSE")
        return made


def authority(directory: Path, name: str = "authority") -> Authority:
    """
    A certificate authority with its files in the directory.
    """
    made = _files(directory, name)
    # Python 3.13 verifies strictly: RFC 5280 wants to read there that it may sign certificates.
    _make(made, name, *_CURVE, "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    return Authority(made.cert, made.key)


def _files(directory: Path, name: str) -> Certificate:
    return Certificate(directory / f"{name}.crt", directory / f"{name}.key")


def _make(made: Certificate, name: str, *options: str) -> None:
    subprocess.run(
        [
            *(needs("openssl"), "req", "-x509", "-nodes", "-days", "2", "-subj", f"/CN={name}"),
            *("-keyout", str(made.key), "-out", str(made.cert), *options),
        ],
        capture_output=True,
        check=True,
    )

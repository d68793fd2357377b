"""
Certificates, made by openssl as people make them.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


@dataclass(frozen=True)
class Certificate:
    """
    A certificate and its key, in a file each.
    """

    cert: Path
    key: Path


class Authority(Certificate):
    """
    A certificate that others can be signed with.
    """

    def sign(
        self, name: str, *sans: str, key: tuple[str, ...] = _CURVE, directory: Path | None = None
    ) -> Certificate:
        """
        A certificate with these names, written like DNS:localhost, in files that are called name.
        """
        made = _files(directory or self.cert.parent, name)
        signer = ("-CA", str(self.cert), "-CAkey", str(self.key))
        extensions = ("-addext", f"subjectAltName={','.join(sans)}") if sans else ()
        _make(made, name, *key, *signer, *extensions, "-addext", "basicConstraints=CA:FALSE")
        return made


def authority(directory: Path, name: str = "authority") -> Authority:
    """
    A certificate authority, its files in the directory.
    """
    made = _files(directory, name)
    _make(made, name, *_CURVE)
    return Authority(made.cert, made.key)


def _files(directory: Path, name: str) -> Certificate:
    return Certificate(directory / f"{name}.crt", directory / f"{name}.key")


def _make(made: Certificate, name: str, *options: str) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", f"/CN={name}"),
            *("-keyout", str(made.key), "-out", str(made.cert), *options),
        ],
        capture_output=True,
        check=True,
    )

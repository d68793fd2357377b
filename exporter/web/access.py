"""
Who gets an answer, and how: the web config in force, which follows its files.
"""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import structlog

from exporter.collectors.rate_limit import TokenBucket
from exporter.config.yaml_file import ConfigError
from exporter.web.config import WebConfig, load
from exporter.web.passwords import Passwords
from exporter.web.tls import make_context

_log = structlog.get_logger()

_Stat = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Rules:
    """
    A web config, ready for use. What it does not ask for is None.
    """

    config: WebConfig
    tls: ssl.SSLContext | None = None
    passwords: Passwords | None = None
    bucket: TokenBucket | None = None


class Access:
    """
    The rules, read anew when the web config or a file that it names has changed.

    Raises ConfigError for a bad file at first; later on, the rules before it stay in force. If
    authenticated, rules that answer everybody are bad ones.
    """

    def __init__(self, file: Path | None = None, *, authenticated: bool = False) -> None:
        self._file = file
        self._authenticated = authenticated
        self._seen: dict[Path, _Stat | None] = {}
        self._rules = self._read()

    def rules(self) -> Rules:
        """
        Those of this moment.
        """
        if any(_stat(file) != seen for file, seen in self._seen.items()):
            self._read_again()
        return self._rules

    def _read_again(self) -> None:
        before = self._rules
        try:
            self._rules = self._read()
        except ConfigError as error:
            _log.error("web config refused, the one before it stays in force", error=str(error))
            return
        _log.info("web config read again", file=str(self._file))
        if before.passwords is not None:
            before.passwords.close()

    def _read(self) -> Rules:
        if self._file is None:
            config = WebConfig()
        else:
            self._seen = {self._file: _stat(self._file)}
            config = load(self._file)
        if self._authenticated and not config.authenticates:
            raise ConfigError(
                "--web.enable-connections shows addresses and processes to everybody who can reach"
                " the listen address. Give --web.config.file basic_auth_users or client"
                " certificates, or listen on loopback only, or insist with"
                " --web.connections-insecure"
            )
        users, limit = config.basic_auth_users, config.rate_limit
        return Rules(
            config,
            self._tls(config),
            Passwords(users) if users else None,
            TokenBucket(limit.interval, limit.burst) if limit.interval else None,
        )

    def _tls(self, config: WebConfig) -> ssl.SSLContext | None:
        tls = config.tls_server_config
        if tls is None:
            return None
        named = (tls.cert_file, tls.key_file, tls.client_ca_file)
        self._seen |= {Path(name): _stat(Path(name)) for name in named if name}
        try:
            return make_context(tls)
        except ValueError as error:
            raise ConfigError(f"{self._file}: tls_server_config.{error}") from error


def _stat(file: Path) -> _Stat | None:
    """
    What changes when the file does; None if it is not there.
    """
    try:
        found = os.stat(file)  # noqa: PTH116  twice as fast, and asked for at each request
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns

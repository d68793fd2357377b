"""
TLS, authentication and rate limit of requests: the current web config, reloaded on change.
"""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import structlog

from exporter.config.yaml_file import ConfigError
from exporter.web.config import WebConfig, load
from exporter.web.passwords import PasswordVerifier
from exporter.web.tls import make_context
from exporter.web.token_bucket import TokenBucket

_log = structlog.get_logger()

_Stat = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class AccessRules:
    """
    A web config in usable form. Features that are not configured are None.
    """

    config: WebConfig
    tls: ssl.SSLContext | None = None
    passwords: PasswordVerifier | None = None
    bucket: TokenBucket | None = None


class AccessControl:
    """
    The current rules, reloaded when the web config or a file that it names changes.

    The initial load raises ConfigError for an invalid file. A failed reload keeps the previous
    rules. With authenticated, rules without authentication are invalid.
    """

    def __init__(self, file: Path | None = None, *, authenticated: bool = False) -> None:
        self._file = file
        self._authenticated = authenticated
        self._seen: dict[Path, _Stat | None] = {}
        self._rules = self._load()

    def rules(self) -> AccessRules:
        """
        The current rules, after a reload if a file has changed.
        """
        if any(_stat(file) != seen for file, seen in self._seen.items()):
            self._reload()
        return self._rules

    def _reload(self) -> None:
        previous = self._rules
        try:
            self._rules = self._load()
        except ConfigError as error:
            _log.error(
                "web config reload failed, keeping the previous configuration", error=str(error)
            )
            return
        _log.info("web config reloaded", file=str(self._file))
        if previous.passwords is not None:
            previous.passwords.close()

    def _load(self) -> AccessRules:
        if self._file is None:
            config = WebConfig()
        else:
            self._seen = {self._file: _stat(self._file)}
            config = load(self._file)
        if self._authenticated and not config.authenticates:
            raise ConfigError(
                "--web.enable-connections without authentication exposes addresses and processes to"
                " everyone who can reach the listen address; allowed: basic_auth_users or client"
                " certificates in --web.config.file, loopback listen addresses, or"
                " --web.connections-insecure"
            )
        users, limit = config.basic_auth_users, config.rate_limit
        return AccessRules(
            config,
            self._tls(config),
            PasswordVerifier(users) if users else None,
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
    Values that change with the file, or None if it does not exist.
    """
    try:
        found = os.stat(file)  # noqa: PTH116  twice as fast, and called for each request
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns

"""
The current configuration, which can be reloaded.
"""

from collections.abc import Callable
from pathlib import Path

import structlog

from exporter.config.schema import Config, ConfigError, Namespaces, load

_log = structlog.get_logger()


class ReloadableConfig:
    """
    The configuration of a running exporter. namespaces, if given, overrides the file.

    users are called with each new configuration.
    """

    def __init__(
        self, file: Path | None, config: Config, namespaces: Namespaces | None = None
    ) -> None:
        self._file = file
        self._namespaces = namespaces
        self.config = config
        self.users: list[Callable[[Config], None]] = []

    def reload(self) -> None:
        """
        Reload the file. Raises ConfigError and keeps the previous configuration.
        """
        try:
            config = load(self._file, self._namespaces)
        except ConfigError as error:
            _log.error("config reload failed, keeping the previous configuration", error=str(error))
            raise
        self.config = config
        for use in self.users:
            use(config)
        _log.info("config reloaded", file=str(self._file) if self._file else "none, all defaults")

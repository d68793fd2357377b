"""
The configuration in force, which can be read again.
"""

from collections.abc import Callable
from pathlib import Path

import structlog

from exporter.config.schema import (
    Config,
    ConfigError,
    Namespaces,
    load,
)

_log = structlog.get_logger()


class Live:
    """
    The configuration of a running exporter; namespaces, if given, stands whatever the file says.

    users are told when there is another one.
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
        Read the file again. Raises ConfigError; the configuration then stays what it was.
        """
        try:
            config = load(self._file, self._namespaces)
        except ConfigError as error:
            _log.error("config refused, the one before it stays in force", error=str(error))
            raise
        self.config = config
        for use in self.users:
            use(config)
        _log.info("config read again", file=str(self._file) if self._file else "none, all defaults")

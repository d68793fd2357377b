"""
The current configuration, which can be reloaded.
"""

from collections.abc import Callable
from pathlib import Path

import structlog

from exporter.config.schema import Config, ConfigError, Namespaces, load
from exporter.text.wording import seconds

_log = structlog.get_logger()


class ReloadableConfig:
    """
    The configuration of a running exporter. namespaces, if given, overrides the file. The cloud is
    detected from the files in sysfs.

    users are called with each new configuration.
    """

    def __init__(
        self, file: Path | None, config: Config, sysfs: Path, namespaces: Namespaces | None = None
    ) -> None:
        self._file = file
        self._sysfs = sysfs
        self._namespaces = namespaces
        self.config = config
        self.users: list[Callable[[Config], None]] = []

    def reload(self) -> None:
        """
        Reload the file. Raises ConfigError and keeps the previous configuration.
        """
        try:
            config = load(self._file, self._namespaces, self._sysfs)
        except ConfigError as error:
            _log.error("config reload failed, keeping the previous configuration", error=str(error))
            raise
        changed = config.chosen_profile != self.config.chosen_profile
        self.config = config
        for use in self.users:
            use(config)
        _log.info("config reloaded", file=str(self._file) if self._file else "none, all defaults")
        if changed:
            self.log_profile()

    def log_profile(self) -> None:
        """
        Log which profile is in force, why, and the resulting timeouts.
        """
        chosen = self.config.chosen_profile
        details = {
            "file": chosen.cloud.file,
            "instance_type": chosen.cloud.instance_type,
            "timeouts": ", ".join(
                f"{path.name} {seconds(path.idle_timeout)}" for path in chosen.paths
            ),
            "note": chosen.caution,
        }
        _log.info(
            "profile in force",
            profile=chosen.label,
            source=str(chosen.source),
            cloud=str(chosen.cloud.cloud),
            **{name: value for name, value in details.items() if value},
        )

"""
Failures of collectors, logged once each, and the recovery from them.
"""

import structlog

from exporter.model import CollectorError

_log = structlog.get_logger()


class Failures:
    """
    Remembers which collectors fail, and with what message.
    """

    def __init__(self) -> None:
        self._messages: dict[str, str] = {}

    def failed(self, collector: str, error: Exception) -> None:
        """
        Log the failure unless it is the collector's last one still.

        Anything but a CollectorError is a fault of the exporter's own, logged with its traceback.
        """
        foreseen = isinstance(error, CollectorError)
        message = str(error) if foreseen else f"unexpected {type(error).__name__}: {error}"
        if self._messages.get(collector) != message:
            traceback = {} if foreseen else {"exc_info": error}
            _log.error("collector fails", collector=collector, error=message, **traceback)
        self._messages[collector] = message

    def worked(self, collector: str) -> None:
        """
        Log the recovery if the collector failed last time.
        """
        if self._messages.pop(collector, None):
            _log.info("collector works again", collector=collector)

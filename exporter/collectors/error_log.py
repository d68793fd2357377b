"""
Failures of collectors, logged once each, and the recovery from them.
"""

from collections.abc import Mapping

import structlog

from exporter.collectors.namespace_visits import Problem
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
        """
        described = _described(error)
        message = str(described["error"])
        if self._messages.get(collector) != message:
            _log.error("collector fails", collector=collector, **described)
        self._messages[collector] = message

    def worked(self, collector: str) -> None:
        """
        Log the recovery if the collector failed last time.
        """
        if self._messages.pop(collector, None):
            _log.info("collector works again", collector=collector)


class Others:
    """
    What keeps network namespaces other than the own from being read, each thing logged once.
    """

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def report(self, problems: Mapping[str, Problem]) -> None:
        """
        Log those of a sample's problems that are new, and the end of all.
        """
        for message, problem in problems.items():
            if message not in self._logged:
                described = _described(problem.error) if problem.error else {"error": message}
                names = {"netns": min(problem.names)} if problem.names else {}
                _log.warning(
                    "network namespaces are not read",
                    namespaces=len(problem.names) + problem.untried,
                    **names,
                    **described,
                )
        if self._logged and not problems:
            _log.info("all network namespaces are read")
        # As long as there are any, one that has gone may come back with the next sample.
        self._logged = self._logged.union(problems) if problems else set()


def _described(error: Exception) -> dict[str, object]:
    """
    Anything but a CollectorError is a fault of the exporter's own, told with its traceback.
    """
    if isinstance(error, CollectorError):
        return {"error": str(error)}
    return {"error": f"unexpected {type(error).__name__}: {error}", "exc_info": error}

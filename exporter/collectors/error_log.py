"""
Logging of collector failures and recoveries, once each.
"""

from collections.abc import Mapping

import structlog

from exporter.collectors.namespace_visits import NamespaceProblem
from exporter.model import CollectorError

_log = structlog.get_logger()


class CollectorErrorLog:
    """
    Remembers which collectors failed, and with which message.
    """

    def __init__(self) -> None:
        self._messages: dict[str, str] = {}

    def failed(self, collector: str, error: Exception) -> None:
        """
        Log the failure unless the collector's last run failed with the same message.
        """
        described = _described(error)
        message = str(described["error"])
        if self._messages.get(collector) != message:
            _log.error("collector failed", collector=collector, **described)
        self._messages[collector] = message

    def succeeded(self, collector: str) -> None:
        """
        Log the recovery if the collector's last run failed.
        """
        if self._messages.pop(collector, None):
            _log.info("collector recovered", collector=collector)


class NamespaceErrorLog:
    """
    Logs why network namespaces other than the exporter's own are skipped, each reason once.
    """

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def report(self, problems: Mapping[str, NamespaceProblem]) -> None:
        """
        Log a sample's new problems, or that all earlier ones have ended.
        """
        for message, problem in problems.items():
            if message not in self._logged:
                described = _described(problem.error) if problem.error else {"error": message}
                names = {"netns": min(problem.names)} if problem.names else {}
                _log.warning(
                    "network namespaces skipped",
                    namespaces=len(problem.names) + problem.untried,
                    **names,
                    **described,
                )
        if self._logged and not problems:
            _log.info("all network namespaces readable")
        # Keep resolved problems while others remain: they may recur with the next sample.
        self._logged = self._logged.union(problems) if problems else set()


def _described(error: Exception) -> dict[str, object]:
    """
    Any exception other than CollectorError is a bug of the exporter, logged with its traceback.
    """
    if isinstance(error, CollectorError):
        return {"error": str(error)}
    return {"error": f"unexpected {type(error).__name__}: {error}", "exc_info": error}

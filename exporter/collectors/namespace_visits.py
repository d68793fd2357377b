"""
Visits of the network namespaces in one sample, and their errors.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from exporter.collectors.operating_system import inside
from exporter.model import DiscoveredNamespaces, Namespace, StrandedError, VanishedError

_T = TypeVar("_T")


@dataclass(slots=True)
class NamespaceProblem:
    """
    Why namespaces other than the exporter's own cannot be read.

    names are those that failed; untried is the number of further ones that were not tried.
    """

    error: Exception | None = None
    names: set[str] = field(default_factory=set)
    untried: int = 0


@dataclass(slots=True)
class NamespaceVisits:
    """
    The namespaces of one sample, and their errors.

    problems, by message, are those of namespaces other than the exporter's own.
    """

    found: DiscoveredNamespaces
    failed: set[Namespace] = field(default_factory=set)
    vanished: set[Namespace] = field(default_factory=set)
    problems: dict[str, NamespaceProblem] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for why, number in self.found.skipped.items():
            self.problems[why] = NamespaceProblem(untried=number)

    def inside(self, namespace: Namespace, action: Callable[[], _T]) -> _T | None:
        """
        The result of action, called inside the namespace.

        None if action fails or the namespace cannot be entered: the error is noted. Errors of the
        exporter's own namespace are raised.
        """
        try:
            with inside(namespace):
                return action()
        except VanishedError:
            self.vanished.add(namespace)
        except StrandedError:
            raise
        except Exception as error:  # noqa: BLE001  one namespace must not affect the others
            self.note(namespace, error)
        return None

    def note(self, namespace: Namespace, error: Exception) -> None:
        """
        Note an error in a namespace. Raises it if the namespace is the exporter's own.
        """
        self.failed.add(namespace)
        if namespace.is_own:
            raise error
        self.problems.setdefault(str(error), NamespaceProblem(error)).names.add(namespace.name)

    @property
    def unreadable(self) -> int:
        """
        The number of namespaces that could not be read, or only in part.
        """
        return len(self.failed) + sum(self.found.skipped.values())

    @property
    def readable(self) -> int:
        """
        The number of namespaces that were read completely.
        """
        return len({*self.found.namespaces} - self.failed - self.vanished)

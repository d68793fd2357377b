"""
One sample's way through the network namespaces: into each and back, whatever is met there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from exporter.linux import inside
from exporter.model import Found, Namespace, StrandedError, VanishedError

_T = TypeVar("_T")


@dataclass(slots=True)
class Problem:
    """
    Why namespaces other than the own cannot be read: those of these names, and some that were not
    tried.
    """

    error: Exception | None = None
    names: set[str] = field(default_factory=set)
    untried: int = 0


@dataclass(slots=True)
class Tour:
    """
    The namespaces of one sample, and which of them failed.

    problems are those with others than the own, by what they say.
    """

    found: Found
    failed: set[Namespace] = field(default_factory=set)
    vanished: set[Namespace] = field(default_factory=set)
    problems: dict[str, Problem] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for why, number in self.found.passed_over.items():
            self.problems[why] = Problem(untried=number)

    def inside(self, namespace: Namespace, action: Callable[[], _T]) -> _T | None:
        """
        What action returns inside the namespace.

        None if that fails, or the namespace cannot be entered: the error is noted, or, of the own
        namespace, raised.
        """
        try:
            with inside(namespace):
                return action()
        except VanishedError:
            self.vanished.add(namespace)
        except StrandedError:
            raise
        except Exception as error:  # noqa: BLE001  one namespace must not spoil the others
            self.note(namespace, error)
        return None

    def note(self, namespace: Namespace, error: Exception) -> None:
        """
        Take note of an error in a namespace. Raises it if that is the own one.
        """
        self.failed.add(namespace)
        if namespace.is_own:
            raise error
        self.problems.setdefault(str(error), Problem(error)).names.add(namespace.name)

    @property
    def unreadable(self) -> int:
        """
        How many namespaces could not be read, or not in all that was asked of them.
        """
        return len(self.failed) + sum(self.found.passed_over.values())

    @property
    def readable(self) -> int:
        """
        How many could.
        """
        return len({*self.found.namespaces} - self.failed - self.vanished)

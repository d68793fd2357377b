"""
What the sampler and the watcher of closures share.
"""

from exporter.judge.history import History
from exporter.paths import Surroundings


class Memory:
    """
    What the last sample knew. The sampler's thread writes it, the event loop reads it.

    Both attributes are replaced as a whole, never changed; surroundings is None before the first
    sample.
    """

    def __init__(self) -> None:
        self.history = History()
        self.surroundings: Surroundings | None = None
        self._ended: set[int] = set()
        self._ended_before: set[int] = set()

    def note_ended(self, cookies: list[int]) -> None:
        """
        These connections' ends have been told: they need not be remembered as gone.
        """
        self._ended.update(cookies)

    def take_ended(self) -> set[int]:
        """
        The connections that have ended since the sample before the last one.

        One that ends while a dump is read may still be in it, and is missed by the next one only.
        """
        ended, self._ended = self._ended, set()
        before, self._ended_before = self._ended_before, ended
        return ended | before

"""
What the exporter makes of a path's timeout while there is ordinary traffic on it.
"""

import time
from dataclasses import dataclass, field
from threading import Event

from tests.e2e.exporting import Scrape, exporter_inside
from tests.e2e.ordinary_traffic import ordinary_traffic
from tests.lab import OnTimeout, nat_lab

TIMEOUT = 10
"""Seconds, the truth."""
NEAR = 0.2
"""By what part of it the bounds may miss it in the end."""
_CLIENTS = 20
_LONGEST = 1.3 * TIMEOUT
_LOOK_EVERY = 1.0
_LONG_ENOUGH, _PATIENCE = 30.0, 120.0
_CONFIG = """
profile: none
paths: [{{name: nat, idle_timeout: {configured}s, on_timeout: {on_timeout}}}]
sampling: {{interval: 500ms, max_duty_cycle: 1}}
"""


@dataclass
class Observed:
    """
    The bounds as they were shown one after the other, None where there was none; the findings in
    the end, and how long it took until the bounds were near the truth, None: they never were.
    """

    bounds: list[tuple[float | None, float | None]] = field(default_factory=list)
    findings: set[str] = field(default_factory=set)
    seconds: float | None = None

    def note(self, scrape: Scrape, seconds: float) -> None:
        """
        Note what is shown after so many seconds.
        """
        survived, fatal = (
            scrape.total(name) if name in scrape.samples else None
            for name in ("longest_idle_survived_seconds", "shortest_idle_fatal_seconds")
        )
        self.bounds.append((survived, fatal))
        self.findings = {labels["id"] for labels, _ in scrape.samples.get("finding", [])}
        if self.seconds is None and self._is_near():
            self.seconds = seconds

    def _is_near(self) -> bool:
        survived, fatal = self.bounds[-1]
        if survived is None or fatal is None:
            return False
        return survived >= (1 - NEAR) * TIMEOUT and fatal <= (1 + NEAR) * TIMEOUT


def observe(begun: Event, on_timeout: OnTimeout, configured: int, loss: int) -> Observed:
    """
    Watch for a while, and until the bounds are near the truth or patience is at its end.

    Sets begun when the exporter runs.
    """
    observed = Observed()
    config = _CONFIG.format(configured=configured, on_timeout=on_timeout)
    with (
        nat_lab(idle_timeout=TIMEOUT, on_timeout=on_timeout) as lab,
        exporter_inside(lab.client, config) as exporter,
    ):
        begun.set()
        lab.nat.lose(loss)
        with ordinary_traffic(lab, _LONGEST, _CLIENTS):
            started, seconds = time.monotonic(), 0.0
            while seconds < (_PATIENCE if observed.seconds is None else _LONG_ENOUGH):
                time.sleep(_LOOK_EVERY)
                seconds = time.monotonic() - started
                observed.note(exporter.scrape(), seconds)
    return observed

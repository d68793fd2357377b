"""
The exporter's observed bounds of a path's timeout during ordinary traffic.
"""

import time
from dataclasses import dataclass, field
from threading import Event

from tests.e2e.exporting import Scrape, exporter_inside
from tests.e2e.ordinary_traffic import ordinary_traffic
from tests.lab import OnTimeout, nat_lab

TIMEOUT = 10
"""The NAT's actual timeout in seconds."""
NEAR = 0.2
"""Maximum deviation of the final bounds from it, as a fraction."""
_CLIENTS = 20
_LONGEST = 1.3 * TIMEOUT
_SCRAPE_INTERVAL = 1.0
_LONG_ENOUGH, _PATIENCE = 30.0, 120.0
_CONFIG = """
profile: none
paths: [{{name: nat, idle_timeout: {configured}s, on_timeout: {on_timeout}}}]
sampling: {{interval: 500ms, max_duty_cycle: 1}}
"""


@dataclass
class Observed:
    """
    All exported bounds in order, None for a missing bound, and the findings at the end.

    seconds is the time until the bounds were near the actual timeout, None if they never were.
    """

    bounds: list[tuple[float | None, float | None]] = field(default_factory=list)
    findings: set[str] = field(default_factory=set)
    seconds: float | None = None

    def note(self, scrape: Scrape, seconds: float) -> None:
        """
        Record a scrape taken after this many seconds.
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


def observe(ready: Event, on_timeout: OnTimeout, configured: int, loss: int) -> Observed:
    """
    Observe for 30 s, or longer until the bounds are near the actual timeout, at most 120 s.

    Sets ready when the exporter runs.
    """
    observed = Observed()
    config = _CONFIG.format(configured=configured, on_timeout=on_timeout)
    with (
        nat_lab(idle_timeout=TIMEOUT, on_timeout=on_timeout) as lab,
        exporter_inside(lab.client, config) as exporter,
    ):
        ready.set()
        lab.nat.lose(loss)
        with ordinary_traffic(lab, _LONGEST, _CLIENTS):
            started, seconds = time.monotonic(), 0.0
            while seconds < (_PATIENCE if observed.seconds is None else _LONG_ENOUGH):
                time.sleep(_SCRAPE_INTERVAL)
                seconds = time.monotonic() - started
                observed.note(exporter.scrape(), seconds)
    return observed

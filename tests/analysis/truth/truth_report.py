"""
Counts of verdicts by truth, as a table to print.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from exporter.model import IdleState, Protection
from tests.analysis.truth.judgement import AT_RISK, PROTECTED, Cause, Truth, Verdict, Watch

_KNOWABLE = (*PROTECTED, *AT_RISK)
_SHOWN = 5


@dataclass
class Report:
    """
    Counts of verdicts, each on one connection in one sample, after one timeout of watching.
    """

    confusion: Counter[tuple[Truth, Verdict]] = field(default_factory=Counter)
    unknowable: Counter[Truth | Cause] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def add(self, watch: Watch, now: float, truth: Truth, verdict: Verdict) -> None:
        """
        Count a verdict on the watched connection.
        """
        watch.sample(now)
        if watch.is_warm(now):
            self.confusion[truth, verdict] += 1
            if truth not in _KNOWABLE:
                self.unknowable[truth] += 1
            elif verdict.contradicts(truth):
                cause = watch.explain(now, truth, verdict.protection)
                if cause:
                    self.unknowable[cause] += 1
                else:
                    self.faults.append(f"{now:.2f} {truth} but {verdict}: {watch}")

    def share(self, what: Truth | Cause) -> float:
        """
        The fraction of all verdicts that could not be right for this cause.
        """
        return self.unknowable[what] / self.confusion.total()

    def _lines(self) -> Iterator[str]:
        yield f"{self.confusion.total()} verdicts; truth in rows, verdicts in columns"
        for state in IdleState:
            heads = "".join(f"{protection.name.lower():>9}" for protection in Protection)
            yield f"{state.name.lower():14}{heads}"
            for truth in Truth:
                counts = (self.confusion[truth, Verdict(one, state)] for one in Protection)
                yield f"  {truth.name.lower():12}" + "".join(f"{count:9}" for count in counts)
        yield "cannot be determined:"
        for what in (*Truth, *Cause):
            if what not in _KNOWABLE:
                name = what.name.lower()
                yield f"  {name:10}{self.unknowable[what]:7}{self.share(what):8.2%}  {what}"
        yield f"faults: {len(self.faults)}"
        yield from self.faults[:_SHOWN]

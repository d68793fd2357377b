"""
The text of every finding, in every variant; `python -m tests.golden` rewrites the file.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path as FilePath

from exporter.analysis.findings import RuleContext, find
from exporter.analysis.report import reports
from exporter.model import (
    NO_PATH,
    Exposure,
    IdleBounds,
    Platform,
    Recommended,
    Role,
    Snapshot,
    StaleTimers,
    UnexplainedLosses,
)
from exporter.paths.choice import choose
from exporter.paths.cloud import Cloud, DetectedCloud
from exporter.paths.profiles import Profile
from tests.analysis.findings import AZURE, context, linux, path, windows

FILE = FilePath(__file__).with_name("findings.txt")

_ON_AZURE = DetectedCloud(Cloud.AZURE, "/sys/class/dmi/id/chassis_asset_tag")
_OFFICE = path("office", 350.5)
_SEVERAL = [path(f"path-{number}", 240 + number) for number in range(5)]

CONTEXTS: dict[str, RuleContext] = {
    "recommended": context(linux(), AZURE, _OFFICE),
    "no path": context(linux()),
    "defaults of Linux": context(linux(7200, 75, 9, 15), AZURE, _OFFICE),
    "four paths": context(linux(7200), *_SEVERAL[:4]),
    "five paths": context(linux(7200), *_SEVERAL),
    "in a container": context(linux(7200), AZURE, netns="web", host=linux()),
    "in a pod": context(linux(7200), AZURE, netns="shop/web-0", host=linux()),
    "in a container with an id": context(
        linux(7200), AZURE, netns="3f2a6c0d1b9e", exposure=Exposure(1, {AZURE.name: 1})
    ),
    "in a pod that is not affected": context(
        linux(7200), AZURE, netns="shop/web-0", exposure=Exposure(1, {"none": 1})
    ),
    "no probes, in a pod that is not affected": context(
        linux(probes=0), AZURE, netns="shop/web-0", exposure=Exposure()
    ),
    "on macOS": context(replace(linux(7200), platform=Platform.MACOS), AZURE),
    "no probes": context(linux(probes=0), AZURE),
    "negative time": context(linux(-1), AZURE),
    "time of zero": context(linux(0), AZURE),
    "time too large": context(linux(120_000), AZURE),
    "time in fractions": context(linux(0.5), AZURE),
    "negative interval": context(linux(interval=-1), AZURE),
    "interval of zero": context(linux(interval=0), AZURE),
    "interval too large": context(linux(interval=75_000), AZURE),
    "interval too long": context(linux(interval=240), AZURE),
    "too close": context(linux(239, 1), AZURE),
    "one probe": context(linux(probes=1), AZURE),
    "second probe too late": context(linux(interval=120), AZURE),
    "too often": context(linux(2, 2), AZURE),
    "every second": context(linux(1, 1), AZURE),
    "recommended values too late": context(
        linux(300), path("short", 100), recommended=Recommended(300, 30, 8)
    ),
    "timeout of seconds": context(linux(), path("shortest", 1), recommended=Recommended(1, 1, 8)),
    "unreadable": context(replace(linux(None), problems=("tcp_keepalive_time: denied",)), AZURE),
    "both unreadable": context(replace(linux(None), problems=("one", "two"))),
    "stale timers": context(linux(), AZURE, stale_timers=StaleTimers(late=1, harmless=2)),
    "Windows, defaults": context(windows(), AZURE),
    "Windows, in seconds": context(windows(120, 30), AZURE),
    "Windows, smallest values": context(windows(1, 1), AZURE),
    "Windows, time unreadable": context(replace(windows(interval=30), time=None), AZURE),
    "Windows, retransmissions": context(windows(120_000, 30_000, 8), AZURE),
    "lost early": replace(
        context(linux(), AZURE, _OFFICE),
        idle_bounds={"azure": IdleBounds(fatal=100.2), "office": IdleBounds(fatal=200)},
    ),
    "another cloud": replace(context(linux(), AZURE), profile=choose([Profile.AWS], _ON_AZURE)),
    "another cloud, several profiles": replace(
        context(linux(), AZURE), profile=choose([Profile.AWS, Profile.IPVS], _ON_AZURE)
    ),
    "survives": replace(
        context(linux(), AZURE, _OFFICE), idle_bounds={"azure": IdleBounds(survived=300)}
    ),
    "lost without explanation": replace(
        context(linux(), AZURE, replace(_OFFICE, role=Role.REPLACES)),
        losses={
            "office": UnexplainedLosses(5, at_least=21.6, at_most=33.2, survived=18.9),
            NO_PATH: UnexplainedLosses(3, at_least=44.0, at_most=60.5, survived=0.0),
        },
    ),
}


def render() -> str:
    """
    The content of the golden file.
    """
    return "\n".join(line for name, each in CONTEXTS.items() for line in _lines(name, each))


def _lines(name: str, given: RuleContext) -> Iterator[str]:
    findings = find(given)
    snapshot = Snapshot({given.netns: given.settings}, None, 1, 0, {}, 0.0, findings)
    (report,) = reports(snapshot, given.paths)
    yield f"## {name}"
    yield report.summary
    for of_path in report.paths:
        facts = f"protected: {of_path.protected}, {of_path.probes} probes"
        yield f"{of_path.path.name}: {of_path.coverage}, {facts}"
    for finding in findings:
        yield f"{finding.id} {finding.severity}: {finding.problem}"
        yield f"  {finding.remedy}"
    yield ""

"""
What follows from what has been found: which settings protect, and what the config file should say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

from exporter.judge.findings import Facts, paths
from exporter.judge.findings.remedies import better_recommended
from exporter.judge.findings.words import number, seconds
from exporter.model import (
    HOST_NETNS,
    Direction,
    OnTimeout,
    Path,
    Recommended,
    Settings,
    StaleTimers,
)
from exporter.paths import outbound_path
from exporter.probe.measurement import Measurement
from exporter.probe.words import sentence

_RULES = (paths.too_late, paths.lapses, paths.too_close, paths.single_probe)


@dataclass(frozen=True, slots=True)
class Advice:
    """
    How to protect connections on a path that was measured.

    protecting are settings that would, None if none in whole seconds do. is_protected tells whether
    those of this host do, None: not known. problem and remedy are of the case that they do not.
    """

    protecting: Recommended | None
    is_protected: bool | None
    problem: str = ""
    remedy: str = ""


def advice(path: Path, settings: Settings, recommended: Recommended) -> Advice:
    """
    How to protect connections on this path from this host, which has these settings.
    """
    facts = Facts(HOST_NETNS, settings, settings, recommended, (path,), StaleTimers())
    protecting = better_recommended(facts) if facts.badly_recommended() else recommended
    if facts.values is None:
        return Advice(protecting, None)
    for look in _RULES:
        if wrong := look(facts):
            return Advice(protecting, False, wrong.problem, wrong.remedy)
    return Advice(protecting, True)


def measured_path(found: Measurement, configured: Sequence[Path]) -> Path | None:
    """
    The path as it was measured: it remembers for as long as was survived. None if nothing was.

    It has the name of the configured one that it crosses, if that is the server's alone.
    """
    timeout = float(floor(found.bounds.survived))
    if timeout < 1:
        return None
    host = found.address.host.partition("%")[0]
    crossed = outbound_path(host, configured)
    own = crossed is not None and crossed.remote in ((host,), (f"{host}/32",), (f"{host}/128",))
    return Path(
        name=crossed.name if crossed and own else "to-" + host.replace(":", "-"),
        direction=Direction.OUTBOUND,
        remote=(host,),
        idle_timeout=timeout,
        on_timeout=found.bounds.on_timeout or OnTimeout.DROP,
    )


def comparison(found: Measurement, configured: Sequence[Path]) -> str | None:
    """
    How the configured timeout of the path that connections to the server cross compares.
    """
    path = outbound_path(found.address.host, configured)
    if path is None:
        return None
    bounds = found.bounds
    if bounds.fatal is not None and path.idle_timeout > bounds.fatal:
        verdict = "too long: connections die sooner"
    elif path.idle_timeout < bounds.survived:
        verdict = "shorter than it really is: connections are safer than configured"
    else:
        verdict = "goes with that"
    return f"{path.name}, {seconds(path.idle_timeout)}: {verdict}"


def path_entry(found: Measurement, path: Path) -> str:
    """
    The path's entry for the config file.
    """
    return (
        f"  # {sentence(found)}\n"
        f"  - {{name: {path.name}, direction: {path.direction}, remote: ['{path.remote[0]}'],"
        f" idle_timeout: {number(path.idle_timeout)}s, on_timeout: {path.on_timeout}}}\n"
    )

"""
What follows from what has been found: which settings protect, and what the config file should say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor

from exporter.analysis.findings import Facts, paths
from exporter.analysis.findings.phrases import number, seconds
from exporter.analysis.findings.remedies import better_recommended
from exporter.model import (
    HOST_NETNS,
    Direction,
    OnTimeout,
    Path,
    Recommended,
    Settings,
    StaleTimers,
)
from exporter.paths.matching import outbound_path
from exporter.probe.format import sentence
from exporter.probe.measurement import Measurement

_RULES = (paths.too_late, paths.lapses, paths.too_close, paths.single_probe)


@dataclass(frozen=True, slots=True)
class Configured:
    """
    The settings of this host, and what the configuration recommends and says of paths.
    """

    settings: Settings
    recommended: Recommended
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """
    How to protect connections on a path that was measured.

    protecting are settings that would, None if none in whole seconds do. is_protected tells whether
    those of this host do, None: not known; problem says why not.
    """

    protecting: Recommended | None
    is_protected: bool | None
    problem: str = ""

    @property
    def remedy(self) -> str:
        """
        How to have the protecting settings.
        """
        wanted = self.protecting
        if wanted is None:
            return "Raise the path's timeout."
        return (
            "`tcp-keepalive-exporter fix --for sysctl"
            f" --time={number(wanted.time)}s --interval={number(wanted.interval)}s"
            f" --probes={wanted.probes}` prints what to apply. Then restart the services whose"
            " connections are open: those keep their timers."
        )


def advice(found: Measurement, configured: Configured) -> Advice | None:
    """
    How to protect connections to the server; None where none has died, or all have.
    """
    path = measured_path(found, configured.paths)
    if path is None or found.bounds.fatal is None:
        return None
    settings, recommended = configured.settings, configured.recommended
    this_path = replace(path, name="this path")
    facts = Facts(HOST_NETNS, settings, settings, recommended, (this_path,), StaleTimers())
    protecting = better_recommended(facts) if facts.badly_recommended() else recommended
    if facts.values is None:
        return Advice(protecting, None)
    for look in _RULES:
        if wrong := look(facts):
            return Advice(protecting, False, wrong.problem)
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
    path, bounds = outbound_path(found.address.host, configured), found.bounds
    if path is None:
        return None
    if bounds.fatal is not None and path.idle_timeout > bounds.fatal:
        verdict = "too long, connections die sooner"
    elif path.idle_timeout < floor(bounds.survived):
        verdict = "shorter than it is, connections are safer than configured"
    else:
        verdict = "which does not contradict that"
    return f"path {path.name}: {seconds(path.idle_timeout)}, {verdict}"


def path_entry(found: Measurement, configured: Sequence[Path]) -> str:
    """
    The path as an entry for the config file, with what was found; that alone, if it is too little.
    """
    path = measured_path(found, configured)
    comment = f"  # {found.target.name}: {sentence(found)}\n"
    if path is None:
        return comment
    return (
        f"{comment}  - {{name: {path.name}, direction: {path.direction},"
        f" remote: ['{path.remote[0]}'], idle_timeout: {number(path.idle_timeout)}s,"
        f" on_timeout: {path.on_timeout}}}\n"
    )

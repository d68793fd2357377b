"""
Settings that do not go with a path's idle timeout. Of one path one rule speaks at most.
"""

from exporter.analysis.coverage import Cover, latest, probing_period
from exporter.analysis.findings.phrases import number, seconds, with_timeouts
from exporter.analysis.findings.remedies import apply_recommended, better_recommended
from exporter.analysis.findings.rule_context import Facts, Found


def too_late(facts: Facts) -> Found | None:
    """
    No probe goes out before a path's timeout.
    """
    paths = facts.paths_with(Cover.UNPROTECTED)
    if not paths or facts.values is None:
        return None
    time, _, probes = facts.values
    if probes == 0:
        why = f"With 0 probes an idle connection is ended after {seconds(time)}, not probed"
    elif time < 0:
        why = f"With a keepalive time of {seconds(time)} no probe is ever sent"
    else:
        why = f"The first probe goes out after {seconds(time)} of idling"
    return Found(
        f"{why}, and nothing refreshes the mapping before the idle timeout of"
        f" {with_timeouts(paths)}.",
        apply_recommended(facts),
    )


def lapses(facts: Facts) -> Found | None:
    """
    The first probe is in time, those after it are not.
    """
    paths = facts.paths_with(Cover.LAPSES)
    if not paths or facts.values is None:
        return None
    _, interval, _ = facts.values
    why = (
        f"With an interval of {seconds(interval)} the first probe is the only one"
        if interval < 0
        else f"After a probe that was answered Linux waits for the interval, {seconds(interval)},"
        " before the next one"
    )
    return Found(
        f"{why}, and nothing refreshes the mapping before the idle timeout of"
        f" {with_timeouts(paths)}.",
        apply_recommended(facts),
    )


def too_close(facts: Facts) -> Found | None:
    """
    The first probe is due in time, but its timer may fire too late.
    """
    paths = facts.paths_with(Cover.TOO_CLOSE)
    period = probing_period(facts.settings)
    if not paths or period is None:
        return None
    return Found(
        f"Probes are due after {seconds(period)} of idling, but the kernel's timers may fire an"
        f" eighth later, after {seconds(round(latest(facts.settings, period)))}: too late for the"
        f" idle timeout of {with_timeouts(paths)}.",
        apply_recommended(facts),
    )


def single_probe(facts: Facts) -> Found | None:
    """
    One probe goes out before a path's timeout, and none to stand in for it.
    """
    paths = facts.paths_with(Cover.SINGLE_PROBE)
    if not paths or facts.values is None:
        return None
    time, interval, probes = facts.values
    why = (
        "With 1 probe there is no second one"
        if probes == 1
        else f"The second probe would come after {seconds(time + interval)} of idling"
    )
    return Found(
        f"{why}: if the first one, after {seconds(time)}, is lost on its way, so is the connection."
        f" The idle timeout is that of {with_timeouts(paths)}.",
        apply_recommended(facts),
    )


def bad_recommended(facts: Facts) -> Found | None:
    """
    The recommended values themselves would not protect a path well.
    """
    paths = facts.badly_recommended()
    if not paths or not facts.is_host:
        return None
    better, own = better_recommended(facts), facts.recommended
    return Found(
        f"The recommended values, {number(own.time)} / {number(own.interval)} / {own.probes}, would"
        f" not send two probes in time for the idle timeout of {with_timeouts(paths)}.",
        "No values in whole seconds would. Raise the path's timeout."
        if better is None
        else "Recommend others in the config file, such as `recommended: {"
        f"time: {number(better.time)}s, interval: {number(better.interval)}s, probes:"
        f" {better.probes}}}`.",
    )

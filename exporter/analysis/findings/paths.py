"""
Findings about settings that do not fit a path's idle timeout; at most one finding per path.

They matter to the connections that cross one of the paths named.
"""

from exporter.analysis.coverage import Coverage, latest, probing_period
from exporter.analysis.findings.phrases import with_timeouts
from exporter.analysis.findings.remedies import apply_recommended, better_recommended
from exporter.analysis.findings.rule_context import Diagnosis, RuleContext
from exporter.text.wording import number, seconds


def too_late(context: RuleContext) -> Diagnosis | None:
    """
    No probe is sent before a path's timeout.
    """
    paths = context.paths_with(Coverage.UNPROTECTED)
    if not paths or context.values is None:
        return None
    time, _, probes = context.values
    if probes == 0:
        why = f"With 0 probes, an idle connection is closed after {seconds(time)} without a probe"
    elif time < 0:
        why = f"With a keepalive time of {seconds(time)}, no probe is ever sent"
    else:
        why = f"The first probe is sent after {seconds(time)} of idle time"
    return Diagnosis(
        f"{why}, and nothing refreshes the mapping before the idle timeout of"
        f" {with_timeouts(paths)}.",
        apply_recommended(context),
        context.is_affected(paths),
    )


def lapses(context: RuleContext) -> Diagnosis | None:
    """
    The first probe is in time, later ones are not.
    """
    paths = context.paths_with(Coverage.LAPSES)
    if not paths or context.values is None:
        return None
    _, interval, _ = context.values
    why = (
        f"With an interval of {seconds(interval)}, only one probe is sent"
        if interval < 0
        else f"After an answered probe, Linux waits for the interval of {seconds(interval)} before"
        " it sends the next one"
    )
    return Diagnosis(
        f"{why}, and nothing refreshes the mapping before the idle timeout of"
        f" {with_timeouts(paths)}.",
        apply_recommended(context),
        context.is_affected(paths),
    )


def too_close(context: RuleContext) -> Diagnosis | None:
    """
    The first probe is due in time, but its timer may fire too late.
    """
    paths = context.paths_with(Coverage.TOO_CLOSE)
    period = probing_period(context.settings)
    if not paths or period is None:
        return None
    return Diagnosis(
        f"Probes are due after {seconds(period)} of idle time, but kernel timers may fire up to one"
        f" eighth later, after {seconds(round(latest(context.settings, period)))}: too late for the"
        f" idle timeout of {with_timeouts(paths)}.",
        apply_recommended(context),
        context.is_affected(paths),
    )


def single_probe(context: RuleContext) -> Diagnosis | None:
    """
    Only one probe is sent before a path's timeout, so that nothing replaces a lost one.
    """
    paths = context.paths_with(Coverage.SINGLE_PROBE)
    if not paths or context.values is None:
        return None
    time, interval, probes = context.values
    why = (
        "With probes set to 1, no second probe is sent"
        if probes == 1
        else f"The second probe would be sent after {seconds(time + interval)} of idle time"
    )
    return Diagnosis(
        f"{why}: if the first one, after {seconds(time)}, is lost, so is the connection. This"
        f" concerns the idle timeout of {with_timeouts(paths)}.",
        apply_recommended(context),
        context.is_affected(paths),
    )


def bad_recommended(context: RuleContext) -> Diagnosis | None:
    """
    The recommended values do not protect a path well.
    """
    paths = context.badly_recommended()
    if not paths or not context.is_host:
        return None
    better, own = better_recommended(context), context.recommended
    return Diagnosis(
        f"The recommended values, {number(own.time)} / {number(own.interval)} / {own.probes}, do"
        f" not send two probes within the idle timeout of {with_timeouts(paths)}.",
        "No values in whole seconds do. Raise the path's timeout."
        if better is None
        else "Change the recommended values in the config file, for example to `recommended: {"
        f"time: {number(better.time)}s, interval: {number(better.interval)}s, probes:"
        f" {better.probes}}}`.",
    )

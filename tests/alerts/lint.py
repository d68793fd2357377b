"""
A linter for rules, similar to cloudflare/pint: each check yields the problems it finds.
"""

import re
from collections.abc import Callable, Iterator

import promql_parser as promql

from exporter.analysis.findings import RULES
from exporter.model import IdleState, Protection, Reason, Severity
from tests.alerts.rules import RECORDINGS, Rule, nodes, runbook_base, selectors
from tests.exporter_process import ROOT

Check = Callable[[Rule], Iterator[str]]

TARGET_LABELS = {"job", "instance"}
SEVERITIES = ("critical", "warning", "info")
_VALUES: dict[str, set[str]] = {
    "protection": {each.name.lower() for each in Protection},
    "idle_state": {each.name.lower() for each in IdleState},
    "reason": {each.name.lower() for each in Reason},
    "id": {rule.id for rule in RULES},
    "severity": set(Severity),
}
_OPTIONAL = {"workloads"}
"""Annotations that only some alerts have."""
_COMPARISONS = {">", "<", ">=", "<=", "==", "!="}
_RATES = {"rate", "increase"}
_PROMETHEUS = ("up", "scrape_duration_seconds", "prometheus_config_last_reload_successful")
_METRIC = re.compile(r"^\| `(tcp_keepalive_\w+)` \| (\w[\w ]*) \| (.*?) \| ", re.MULTILINE)


def has_problem(check: Check, rule: Rule) -> bool:
    """
    Whether a check finds anything.
    """
    return next(check(rule), None) is not None


def metrics() -> dict[str, tuple[str, set[str]]]:
    """
    Type and labels of each known series: those in docs/metrics.md and Prometheus' own.
    """
    text = (ROOT / "docs/metrics.md").read_text()
    found: dict[str, tuple[str, set[str]]] = {name: ("gauge", set()) for name in _PROMETHEUS}
    for name, kind, column in _METRIC.findall(text):
        labels = set(re.findall(r"`(\w+)`", column))
        if "histogram" in kind:
            counts = "counter" if kind == "histogram" else "gauge"
            found[f"{name}_count"] = counts, labels
            found[f"{name}_bucket"] = counts, labels | {"le"}
        else:
            found[name] = kind, labels
    return found


def knows_what_it_selects(rule: Rule) -> Iterator[str]:
    """
    Every metric, label and value of a label exists.
    """
    known = metrics()
    recorded = {recording.name for recording in RECORDINGS}
    for selector in selectors(rule.expression):
        name = selector.name or ""
        if name in recorded:
            continue
        if name not in known:
            yield f"unknown metric {name!r}"
            continue
        for matcher in selector.matchers.matchers:
            if matcher.name not in known[name][1] | TARGET_LABELS:
                yield f"{name} has no label {matcher.name}"
            given = set(matcher.value.split("|"))
            if wrong := given - _VALUES.get(matcher.name, given):
                yield f"{matcher.name} is never {', '.join(wrong)}"


def takes_rates_of_counters_only(rule: Rule) -> Iterator[str]:
    """
    rate() and increase() are applied to counters, and only they are.
    """
    known = metrics()
    rated = set()
    for call in nodes(rule.expression):
        if isinstance(call, promql.Call) and call.func.name in _RATES:
            for selector in selectors(call):
                rated.add(str(selector))
                if known.get(selector.name or "", ("",))[0] != "counter":
                    yield f"{call.func.name}() of {selector.name}, which is not a counter"
    for selector in selectors(rule.expression):
        if known.get(selector.name or "", ("",))[0] == "counter" and str(selector) not in rated:
            yield f"the counter {selector.name} without rate() or increase()"


def keeps_the_labels_of_targets(rule: Rule) -> Iterator[str]:
    """
    Rules of an instance drop labels by name (`without`); rules of a fleet keep job (`by`).
    """
    for node in nodes(rule.expression):
        if not isinstance(node, promql.AggregateExpr):
            continue
        if node.modifier is None:
            yield f"{node.op} drops every label"
            continue
        labels = set(node.modifier.labels)
        if str(node.modifier.type) == str(promql.AggModifierType.Without):
            if lost := labels & TARGET_LABELS:
                yield f"{node.op} drops {', '.join(lost)}"
        elif "job" not in labels:
            yield f"{node.op} by drops job"


def has_no_needless_regex(rule: Rule) -> Iterator[str]:
    """
    No regular expression for a literal, and no anchors, which Prometheus adds itself.
    """
    for selector in selectors(rule.expression):
        for matcher in selector.matchers.matchers:
            if "Re" not in str(matcher.op):
                continue
            if not re.search(r"[.|*+?\[(\\]", matcher.value):
                yield f"{matcher} needs no regular expression"
            if matcher.value.startswith("^") or matcher.value.endswith("$"):
                yield f"{matcher} is anchored already"


def has_a_condition(rule: Rule) -> Iterator[str]:
    """
    An alert's expression can be empty: it has a comparison, unless or absent().
    """
    if not rule.is_alert:
        return
    for node in nodes(rule.expression):
        compares = isinstance(node, promql.BinaryExpr) and (
            (str(node.op) in _COMPARISONS and not (node.modifier and node.modifier.return_bool))
            or str(node.op) == "unless"
        )
        if compares or (isinstance(node, promql.Call) and node.func.name == "absent"):
            return
    yield "its expression is never empty"


def has_the_parts_of_an_alert(rule: Rule) -> Iterator[str]:
    """
    An alert has a name, a severity, a `for` and annotations.
    """
    if not rule.is_alert:
        return
    if not re.fullmatch(r"TCPKeepalive([A-Z]+[a-z]+)+", rule.name):
        yield "its name is not TCPKeepalive with words in CamelCase"
    if set(rule.text["labels"]) != {"severity"} or rule.severity not in SEVERITIES:
        yield f"its one label is not severity, one of {', '.join(SEVERITIES)}"
    if not re.fullmatch(r"[1-9][0-9]*m", rule.text.get("for", "")):
        yield "it has no `for` in minutes"
    if not re.fullmatch(r"[1-9][0-9]*m", rule.text.get("keep_firing_for", "1m")):
        yield "its `keep_firing_for` is not in minutes"
    if set(rule.annotations) - _OPTIONAL != {"summary", "description", "runbook_url"}:
        yield "its annotations are not summary, description, runbook_url"


def has_readable_annotations(rule: Rule) -> Iterator[str]:
    """
    An alert's annotations have a static summary, the place, readable values and the runbook.
    """
    if not rule.is_alert or has_problem(has_the_parts_of_an_alert, rule):
        return
    summary, description = rule.annotations["summary"], rule.annotations["description"]
    if not re.fullmatch(r"[A-Z][^.{}]*\.", summary):
        yield "its summary is not one static sentence"
    if not description.endswith(".") or "\n" in description:
        yield "its description is not sentences in one line"
    absent = "absent(" in rule.text["expr"]
    if not absent and not re.search(r"\{\{ \$labels\.(instance|job) \}\}", description):
        yield "its description lacks the instance or job"
    for value in re.findall(r"\{\{ \$value[^}]*\}\}", description):
        if "| humanize" not in value:
            yield f"{value} is not humanized"
    if rule.annotations["runbook_url"] != f"{runbook_base()}/{rule.name}.md":
        yield f"its runbook_url is not {runbook_base()}/{rule.name}.md"


def is_named_for_its_labels(rule: Rule) -> Iterator[str]:
    """
    A recording is named level:metric:operation, and its level names its labels.
    """
    if rule.is_alert:
        return
    match = re.fullmatch(r"((instance|job)(_[a-z]+)*):tcp_keepalive_\w+:[a-z0-9]+", rule.name)
    if match is None:
        yield "its name is not level:metric:operation"
        return
    level = match[1].split("_")
    for node in nodes(rule.expression):
        if isinstance(node, promql.AggregateExpr):
            modifier = node.modifier
            by = modifier is not None and str(modifier.type) == str(promql.AggModifierType.By)
            if by != (level[0] == "job") or (by and modifier and modifier.labels != level):
                yield f"its labels are not those of level {match[1]}"
            return
    known = metrics()
    selected = [known[selector.name or ""][1] for selector in selectors(rule.expression)]
    if level[0] != "instance" or any(labels != set(level[1:]) for labels in selected):
        yield f"without aggregation, its labels are not those of level {match[1]}"


CHECKS: tuple[Check, ...] = (
    knows_what_it_selects,
    takes_rates_of_counters_only,
    keeps_the_labels_of_targets,
    has_no_needless_regex,
    has_a_condition,
    has_the_parts_of_an_alert,
    has_readable_annotations,
    is_named_for_its_labels,
)


def problems(rule: Rule) -> list[str]:
    """
    All problems of a rule.
    """
    return [problem for check in CHECKS for problem in check(rule)]

"""
Parts of the docs that are generated from code: metrics, flags, profiles, alerts.

A generated part is between `<!-- NAME: ... -->` and `<!-- end -->`.
"""

import io
import json
import re
import shlex
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from click.testing import CliRunner
from prometheus_client.metrics_core import Metric
from rich.console import Console, ConsoleRenderable

from exporter.analysis.findings import RULES, Rule
from exporter.analysis.report import Report, reports
from exporter.cli import main
from exporter.cli.check_json import as_json
from exporter.cli.check_text import show
from exporter.cli.destinations_table import render as render_destinations
from exporter.cli.probe_json import as_json as probe_as_json
from exporter.cli.protect_json import document as protect_document
from exporter.cli.protect_table import render as render_protected
from exporter.cli.reset_json import document as reset_document
from exporter.cli.reset_table import render as render_hanging
from exporter.config.schema import Config
from exporter.connections.advice import Advice, sentences
from exporter.connections.to_json import document
from exporter.metrics import families
from exporter.model import Recommended
from exporter.paths.profiles import PROFILES
from exporter.probe.inference import OutcomeKind
from exporter.probe.report import Configured
from exporter.protect.recheck import ResetOutcome
from exporter.remedies.client_text import default_text, fixes
from exporter.remedies.clients import known_clients
from tests.alerts.rules import ALERTS
from tests.analysis.findings import linux
from tests.connections.examples import DESTINATIONS, EXAMPLES, look, look_by_destination
from tests.docs.packages import package_table
from tests.probe.outcomes import measurement, outcome
from tests.protect.hanging_listing import dry_run, ended
from tests.protect.protect_report import APPLIED, PLANNED, report
from tests.snapshots import WITH_PORTS, full_snapshot, no_closures

ROOT = Path(__file__).parents[2]


_TIMESTAMP = 1_700_000_000.25
_COLUMNS = 100
"""Seconds since 1970; fixed, so that generated documents do not change."""


def regenerate(file: Path) -> str:
    """
    The file's text with its generated parts regenerated.
    """
    text = file.read_text(encoding="utf-8")
    for name, generate in GENERATORS.items():
        begin = rf"<!-- {name}: [^>]*-->\n"
        text = re.sub(
            f"({begin}).*?(<!-- end -->)",
            lambda marks: marks[1] + generate() + marks[2],  # noqa: B023  called at once
            text,
            flags=re.DOTALL,
        )
    return text


def files() -> list[Path]:
    """
    The files with generated parts.
    """
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in pages if "<!-- end -->" in page.read_text(encoding="utf-8")]


def _metrics() -> str:
    return "".join(_metric_rows())


def _metric_rows() -> Iterator[str]:
    snapshot = full_snapshot()
    for family in families(snapshot, no_closures(), WITH_PORTS, now=snapshot.due):
        cells = (f"`{_name(family)}`", _type(family), _labels(family), family.documentation)
        yield f"| {' | '.join(cells)} |\n"


def _name(family: Metric) -> str:
    return family.name + ("_total" if family.type == "counter" else "")


def _type(family: Metric) -> str:
    return "gauge histogram" if family.type == "gaugehistogram" else str(family.type)


def _labels(family: Metric) -> str:
    names = {name for sample in family.samples for name in sample.labels} - {"le"}
    return ", ".join(f"`{name}`" for name in sorted(names))


def _flags(*command: str) -> str:
    help_text = CliRunner().invoke(
        main, [*command, "--help"], prog_name="tcp-keepalive-exporter", terminal_width=100
    )
    return f"```\n{help_text.stdout}```\n"


def _check() -> str:
    console = Console(file=io.StringIO(), width=80, highlight=False, color_system=None)
    with console.capture() as text:
        show(_reports(), Recommended(), Config().chosen_profile.explanation, console)
    lines = [line.rstrip() for line in text.get().splitlines()]
    return "\n".join(["```console", "$ tcp-keepalive-exporter check", *lines, "```", ""])


def _probe_json() -> str:
    found = measurement(
        outcome(OutcomeKind.ANSWERED, 235.5, at_most=235.6),
        outcome(OutcomeKind.SILENT, 240.0, at_most=240.2),
        outcome(OutcomeKind.SILENT, 240.0, at_most=240.2),
    )
    configured = Configured(linux(7200, 75, 9), Recommended(), Config().paths)
    return f"```json\n{probe_as_json([found], configured, _TIMESTAMP)}\n```\n"


def _check_json() -> str:
    chosen = Config().chosen_profile
    text = as_json(_reports(), Recommended(), chosen, absent=0, timestamp=_TIMESTAMP)
    return f"```json\n{text}\n```\n"


def _reports() -> tuple[Report, ...]:
    return reports(full_snapshot(), Config().paths)


def _fix(*arguments: str, width: int = 100) -> str:
    """
    A command line with its output on both streams, wrapped to a terminal's width.
    """
    command = ["fix", *arguments]
    printed = CliRunner().invoke(main, command).output.splitlines()
    lines = [part for line in printed for part in textwrap.wrap(line, width) or [""]]
    first = shlex.join(["tcp-keepalive-exporter", *command])
    return "\n".join(["```console", f"$ {first}", *lines, "```", ""])


def _connections_json() -> str:
    return f"```json\n{json.dumps(document(look(EXAMPLES[3])), indent=2)}\n```\n"


def _destinations() -> str:
    console = Console(file=io.StringIO(), width=136, highlight=False, color_system=None)
    with console.capture() as text:
        console.print(render_destinations(look_by_destination(*DESTINATIONS), console))
    lines = [line.rstrip() for line in text.get().splitlines()]
    first = "$ tcp-keepalive-exporter connections --all --group-by destination"
    return "\n".join(["```console", first, *lines, "```", ""])


def _destinations_json() -> str:
    found = document(look_by_destination(*DESTINATIONS[:1]))
    return f"```json\n{json.dumps(found, indent=2)}\n```\n"


def _reset() -> str:
    return _on_terminal("reset", render_hanging(dry_run(), _COLUMNS, applied=False))


def _protect() -> str:
    return _on_terminal("protect", render_protected(report(*PLANNED), _COLUMNS, None))


def _on_terminal(command: str, output: ConsoleRenderable) -> str:
    console = Console(file=io.StringIO(), width=_COLUMNS, highlight=False, color_system=None)
    with console.capture() as text:
        console.print(output)
    lines = [line.rstrip() for line in text.get().splitlines()]
    return "\n".join(["```console", f"$ tcp-keepalive-exporter {command}", *lines, "```", ""])


def _protect_json() -> str:
    found = protect_document(report(APPLIED[0]))
    return f"```json\n{json.dumps(found, indent=2)}\n```\n"


def _reset_json() -> str:
    found = reset_document(ended(ResetOutcome.ENDED), applied=True)
    return f"```json\n{json.dumps(found, indent=2)}\n```\n"


def _advice() -> str:
    texts = sentences(Advice, Config())
    return "".join(f"| `{advice}` | {text} |\n" for advice, text in texts.items())


def _clients() -> str:
    values = Recommended()
    return "".join(
        f"| `{client.id}` | {_cell(client.name)} |"
        f" {_cell('<br>'.join(map(default_text, client.defaults)))} |"
        f" {_cell('<br>'.join(fixes(client, values, Config().paths[0].idle_timeout)))} |\n"
        for client in known_clients()
    )


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _findings() -> str:
    return "".join(
        f"| [{rule.id}](#{rule.id.lower()}) | {rule.severity} | {rule.title} |\n" for rule in RULES
    )


def _finding(rule: Rule) -> str:
    return f"**{rule.severity}: {rule.title}**\n\n"


def _profiles() -> str:
    return "".join(
        f"| `{profile}` | `{path.name}` | {path.direction} | {', '.join(path.remote)} |"
        f" {path.idle_timeout:g} s | {path.on_timeout} | {path.snat_ports or ''} |\n"
        for profile, paths in PROFILES.items()
        for path in paths
    )


def _alerts() -> str:
    return "".join(
        f"| [{rule.name}](runbooks/{rule.name}.md) | {rule.severity} | {rule.text['for']} |"
        f" {rule.annotations['summary']} |\n"
        for rule in ALERTS
    )


GENERATORS: dict[str, Callable[[], str]] = {
    "packages": package_table,
    "metrics": _metrics,
    "flags": _flags,
    "profiles": _profiles,
    "check-flags": lambda: _flags("check"),
    "check": _check,
    "check-json": _check_json,
    "fix-flags": lambda: _flags("fix"),
    "fix": lambda: _fix("--for", "sysctl", width=200),
    "fix-refused": lambda: _fix("--for", "sysctl", "--time", "230s"),
    "probe-flags": lambda: _flags("probe"),
    "probe-json": _probe_json,
    "connections-flags": lambda: _flags("connections"),
    "connections-json": _connections_json,
    "destinations": _destinations,
    "destinations-json": _destinations_json,
    "advice": _advice,
    "protect-flags": lambda: _flags("protect"),
    "protect": _protect,
    "protect-json": _protect_json,
    "reset-flags": lambda: _flags("reset"),
    "reset": _reset,
    "reset-json": _reset_json,
    "clients": _clients,
    "fix-client": lambda: _fix("--for", "pgjdbc"),
    "fix-unknown": lambda: _fix("--for", "redis"),
    "findings": _findings,
    **{rule.id: partial(_finding, rule) for rule in RULES},
    "alerts": _alerts,
}

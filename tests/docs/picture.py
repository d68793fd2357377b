"""
The pictures of command output in the docs, drawn from examples.
"""

import io
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from exporter.cli.connections_table import render
from exporter.cli.probe_screen import ScreenReporter
from exporter.cli.probe_text import show
from exporter.config.schema import Config
from exporter.model import Recommended
from exporter.probe.report import Configured
from tests.analysis.findings import linux
from tests.connections.examples import EXAMPLES, look
from tests.docs.generated import ROOT
from tests.probe.outcomes import measurement
from tests.probe.simulation import Simulation

_FORMAT = """\
<svg viewBox="0 0 {terminal_width} {terminal_height}" xmlns="http://www.w3.org/2000/svg" role="img">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width}" height="{terminal_height}"/></clipPath>{lines}</defs>
<rect fill="#292929" width="100%" height="100%" rx="8"/>
<g transform="translate(10, 6) scale(0.98)" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""
"""Rich's own format loads a font from the web."""


def _connections(console: Console) -> None:
    console.print(render(look(*EXAMPLES), console))


def _probe(console: Console) -> None:
    found = measurement()
    console.print("$ tcp-keepalive-exporter probe db.example.com:5432", style="bold")
    with ScreenReporter(console) as screen:
        screen.begin([found])
        Simulation(found, timeout=239.0).run(screen.tell)
    console.print()
    settings = linux(7200, 75, 9)
    show([found], Configured(settings, Recommended(), Config().paths), console)


PICTURES: dict[str, tuple[int, Callable[[Console], None]]] = {
    "connections": (112, _connections),
    "probe": (88, _probe),
}
"""Width in columns and drawing function, by name."""


def picture_file(name: str) -> Path:
    """
    The path of the picture.
    """
    return ROOT / f"docs/images/{name}.svg"


def draw(name: str) -> str:
    """
    The picture, as SVG.
    """
    width, show_example = PICTURES[name]
    console = Console(file=io.StringIO(), record=True, width=width, highlight=False, emoji=False)
    show_example(console)
    return console.export_svg(code_format=_FORMAT, unique_id=name)

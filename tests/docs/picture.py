"""
The picture of the command `connections` in the docs, from examples.
"""

import io
from pathlib import Path

from rich.console import Console

from exporter.cli.connections_table import render
from tests.connections.examples import EXAMPLES, look
from tests.docs.generated import ROOT

FILE: Path = ROOT / "docs/images/connections.svg"
_WIDTH = 112
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
"""Rich's own would load a font from elsewhere."""


def draw() -> str:
    """
    The table of the examples, as SVG.
    """
    console = Console(file=io.StringIO(), record=True, width=_WIDTH, highlight=False)
    console.print(render(look(*EXAMPLES), console))
    return console.export_svg(code_format=_FORMAT, unique_id="connections")

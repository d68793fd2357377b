"""
The table of packages in docs/architecture.md.
"""

import ast
from collections.abc import Iterator

from tests.exporter_process import ROOT
from tests.test_architecture import LAYERS, imports


def package_table() -> str:
    """
    A row for each package, from the top layer down: its purpose and what it imports of ours.
    """
    return "".join(_rows())


def _rows() -> Iterator[str]:
    yield "| package | purpose | imports |\n|---|---|---|\n"
    for layer in reversed(LAYERS):
        folder = ROOT / "exporter" / layer
        tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
        purpose = " ".join((ast.get_docstring(tree) or "").split("\n\n")[0].split())
        used = {
            each.split(".")[1]
            for file in folder.rglob("*.py")
            for each in imports(ast.parse(file.read_text(encoding="utf-8")))
            if each.startswith("exporter.")
        }
        names = ", ".join(f"`{each}`" for each in LAYERS if each in used - {layer})
        yield f"| `{layer}/` | {purpose} | {names} |\n"

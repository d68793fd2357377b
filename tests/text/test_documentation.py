"""
Addresses of the documentation in messages.
"""

import ast
import re

from exporter.text.documentation import documentation
from tests.alerts.rules import runbook_base
from tests.exporter_process import ROOT
from tests.test_architecture import strings

_FILE = re.compile(r"(?<![\w/.-])(?:docs|deploy|dashboards)/\S+|\b\w+\.md\b")


def test_base() -> None:
    """
    The base is that of the runbooks, which the alerts link to.
    """
    assert documentation("runbooks") == runbook_base()


def test_no_message_names_a_file() -> None:
    """
    No message refers to a file that the package lacks; arguments of documentation() are files.
    """
    for file in sorted((ROOT / "exporter").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        pages = {
            text
            for call in ast.walk(tree)
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "documentation"
            for part in ast.walk(call)
            if isinstance(part, ast.Constant) and isinstance(text := part.value, str)
        }
        for text in set(strings(tree)) - pages:
            found = _FILE.search(text)
            assert not found, (file.name, text)
        for page in pages:
            name = page.partition("#")[0]
            assert (ROOT / "docs" / name).exists(), name

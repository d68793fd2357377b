"""
What contributors and their tools read: make targets, exact versions, workflows.
"""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from tests import constraints
from tests.exporter_process import ROOT

_WORKFLOWS = sorted((ROOT / ".github").rglob("*.yml"))


def targets() -> set[str]:
    """
    The Makefile's targets.
    """
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    "file",
    [ROOT / "CONTRIBUTING.md", ROOT / "README.md", ROOT / ".ci" / "run", *_WORKFLOWS],
    ids=lambda file: file.name,
)
def test_make_targets(file: Path) -> None:
    """
    Every `make TARGET` in a file is a target.
    """
    code = re.findall(r"(?:`|run: |^\s*)make ([a-z-]+)", file.read_text(), re.MULTILINE)
    assert set(code) <= targets()


@pytest.mark.parametrize("file", _WORKFLOWS, ids=lambda file: file.name)
def test_yaml(file: Path) -> None:
    """
    The files for GitHub are YAML.
    """
    assert yaml.safe_load(file.read_text(encoding="utf-8"))


def test_constraints_fit() -> None:
    """
    Every dependency has an exact version that pyproject.toml allows.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = constraints.pinned()
    for requirement in map(Requirement, project["dependencies"]):
        for exact in pinned[requirement.name]:
            (version,) = (each.version for each in exact.specifier)
            assert requirement.specifier.contains(version), exact


def test_constraints_are_exact() -> None:
    """
    Every requirement is one version with hashes, and no line names a server.
    """
    text = constraints.FILE.read_text(encoding="utf-8")
    assert "://" not in text
    for block in re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip()):
        assert re.match(r"[a-z0-9.-]+==\S+", block), block
        assert "--hash=sha256:" in block, block

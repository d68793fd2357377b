"""
constraints.txt: exact versions and hashes of the dependencies.

    python -m tests.constraints

writes the newest ones that pyproject.toml allows.
"""

import subprocess
import sys

from packaging.requirements import Requirement

from tests.exporter_process import ROOT

FILE = ROOT / "constraints.txt"
_HEADER = """\
# Exact versions and hashes of everything the exporter needs, on every system and Python version.
# Install: pip install --require-hashes -r constraints.txt && pip install --no-deps .
# Written by: make constraints
"""
_COMPILE = (
    *("-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version=3.11"),
    *("--generate-hashes", "--no-header", "--no-annotate", "pyproject.toml"),
)


def pinned() -> dict[str, list[Requirement]]:
    """
    The requirements by package; there may be several, for different systems or Python versions.
    """
    found: dict[str, list[Requirement]] = {}
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith((" ", "#")):
            requirement = Requirement(line.removesuffix("\\"))
            found.setdefault(requirement.name, []).append(requirement)
    return found


if __name__ == "__main__":
    compiled = subprocess.check_output([sys.executable, *_COMPILE], cwd=ROOT, text=True)
    FILE.write_text(_HEADER + compiled, encoding="utf-8")

"""
The script that installs the exporter on Windows, parsed only: it cannot be run here.
"""

import re

from tests.exporter_process import ROOT
from tests.syntax import every, powershell, words

DIRECTORY = ROOT / "deploy" / "windows"
SCRIPT = (DIRECTORY / "install.ps1").read_text(encoding="utf-8")
README = (DIRECTORY / "README.md").read_text(encoding="utf-8")

# Commands of Windows PowerShell 5.1, which is part of every Windows.
OF_WINDOWS = re.compile(
    r"(Get|New|Register|Start|Stop|Unregister)-ScheduledTask\w*|(Get|Stop)-Process|(New|Remove)-Item"
    r"|New-TimeSpan|Out-Null|Write-Output"
)


def test_parameters() -> None:
    """
    It is valid PowerShell, and its help and the README document every parameter.
    """
    (block,) = every(powershell(SCRIPT), "param_block")
    names = re.findall(r"\] \$(\w+)", (block.text or b"").decode())
    assert names == ["Package", "Python", "Arguments", "Uninstall"]
    assert re.findall(r"\.PARAMETER (\w+)", SCRIPT) == names
    assert re.findall(r"^\| `-(\w+)` \|", README, re.MULTILINE) == names


def test_calls_only_windows_commands() -> None:
    """
    It needs only commands that are part of Windows, and the given Python.
    """
    called = set(words(powershell(SCRIPT), "command_name"))
    assert {name for name in called if not OF_WINDOWS.fullmatch(name)} == {"Invoke-Checked"}


def test_names_what_is_installed() -> None:
    """
    It runs the program that the package installs, and names its port.
    """
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (name,) = re.findall(r"^\$Name = '(.*)'$", SCRIPT, re.MULTILINE)
    assert f'\n{name} = "exporter.__main__:main"' in project
    assert "on port 10240." in SCRIPT

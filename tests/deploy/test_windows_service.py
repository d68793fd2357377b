"""
The script that installs the exporter on Windows, parsed: nothing here can run it.
"""

import re

from tests.exporter_process import ROOT
from tests.syntax import every, powershell, words

DIRECTORY = ROOT / "deploy" / "windows"
SCRIPT = (DIRECTORY / "install.ps1").read_text(encoding="utf-8")
README = (DIRECTORY / "README.md").read_text(encoding="utf-8")

# Modules of Windows PowerShell 5.1, which is on every Windows.
OF_WINDOWS = re.compile(
    r"(Get|New|Register|Start|Stop|Unregister)-ScheduledTask\w*|(Get|Stop)-Process|(New|Remove)-Item"
    r"|New-TimeSpan|Out-Null|Write-Output"
)


def test_parameters() -> None:
    """
    It is PowerShell, and each of its parameters is explained in it and in the README.
    """
    (block,) = every(powershell(SCRIPT), "param_block")
    names = re.findall(r"\] \$(\w+)", (block.text or b"").decode())
    assert names == ["Package", "Python", "Arguments", "Uninstall"]
    assert re.findall(r"\.PARAMETER (\w+)", SCRIPT) == names
    assert re.findall(r"^\| `-(\w+)` \|", README, re.MULTILINE) == names


def test_calls_windows_alone() -> None:
    """
    It needs nothing that Windows does not bring, but for the Python it is given.
    """
    called = set(words(powershell(SCRIPT), "command_name"))
    assert {name for name in called if not OF_WINDOWS.fullmatch(name)} == {"Invoke-Checked"}


def test_names_what_is_installed() -> None:
    """
    The program it runs is the one that the package installs, on the port that it has.
    """
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (name,) = re.findall(r"^\$Name = '(.*)'$", SCRIPT, re.MULTILINE)
    assert f'\n{name} = "exporter.__main__:main"' in project
    assert "on port 10240." in SCRIPT

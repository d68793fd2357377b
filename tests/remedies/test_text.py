"""
The text of each target, and rejected values.
"""

import shlex
from pathlib import Path

import pytest

from exporter.model import Platform
from exporter.remedies.render import TARGETS
from tests.exporter_process import run_exporter
from tests.remedies.printed import INTERVAL, PROBES, TIME, commands, printed, run_fix

TARGET = pytest.mark.parametrize("target", list(TARGETS))
BEGINNINGS = {
    "windows-reg": "Windows Registry Editor Version 5.00\r\n\r\n",
    "cloud-init": "#cloud-config\n",
}
"""Required first lines."""


@TARGET
def test_complete(target: str) -> None:
    """
    Every text has values, paths, limits, and instructions to apply, verify and undo.
    """
    text = printed(target)
    assert text.startswith(BEGINNINGS.get(target, "# TCP keepalive"))
    assert "Open connections keep their old timers" in text
    assert "SO_KEEPALIVE" in text
    for fact in (f" {TIME} s", f" {INTERVAL} s", "azure-outbound, 240 s"):
        assert fact in text
    assert "tcp-keepalive-exporter check" in commands(text, "Verify")[-1]
    for heading in ("Apply", "Undo"):
        assert commands(text, heading) or (target, heading) == ("cloud-init", "Apply")


@TARGET
def test_lines(target: str) -> None:
    """
    All lines have the line ends of the platform, and no trailing blanks.
    """
    text = printed(target)
    end = "\r\n" if TARGETS[target] is Platform.WINDOWS else "\n"
    lines = text.split(end)
    assert lines.pop() == ""
    for line in lines:
        assert line == line.rstrip()
        assert line.isprintable()


@TARGET
def test_command_in_text(target: str) -> None:
    """
    The command in the text prints exactly the same text.
    """
    text = printed(target)
    (command,) = (line[2:] for line in text.splitlines() if line[2:].startswith("tcp-keepalive"))
    _, _, *arguments = shlex.split(command)
    assert run_fix(*arguments).stdout_bytes.decode() == text


@TARGET
def test_config_file(target: str, tmp_path: Path) -> None:
    """
    Values and paths are those of the config file.
    """
    file = tmp_path / "config.yml"
    file.write_text(
        "profile: none\n"
        "paths: [{name: office, idle_timeout: 90500ms}]\n"
        "recommended: {time: 40s, interval: 10s, probes: 3}\n"
    )
    text = printed(target, "--config.file", str(file))
    assert "  office, 90.5 s" in text
    assert "azure" not in text
    assert "--time 40s --interval 10s" in text
    assert "check --config.file FILE" in commands(text, "Verify")[-1]
    detected = 140 if TARGETS[target] is Platform.WINDOWS else 70
    assert f" {detected} s after the last segment" in text


def test_no_paths(tmp_path: Path) -> None:
    """
    Without paths, the text states that the values were not checked.
    """
    file = tmp_path / "config.yml"
    file.write_text("profile: none\n")
    text = printed("sysctl", "--config.file", str(file), "--time", "9h")
    assert "not checked" in text
    assert "net.ipv4.tcp_keepalive_time = 32400\n" in text


@pytest.mark.parametrize("target", ["windows-reg", "powershell"])
def test_windows(target: str) -> None:
    """
    The number of probes is 10 and not set. TcpMaxDataRetransmissions is only in comments.
    """
    text = printed(target, "--probes", "10")
    assert text == printed(target, "--probes", "10", "--time", "120s")
    assert "After 10 unanswered probes the connection is closed, 420 s" in text
    for line in text.splitlines():
        assert "TcpMaxDataRetransmissions" not in line or line[0] in ";#"


@pytest.mark.parametrize(
    ("flags", "facts"),
    [
        pytest.param(
            ["--time", "240s"],
            ["240 s", "azure-outbound (240 s) and azure-inbound (240 s)"],
            id="at the timeout",
        ),
        pytest.param(
            ["--time", "213s", "--interval", "10s"],
            ["213 s", "eighth", "azure-outbound (240 s)"],
            id="late timers",
        ),
        pytest.param(
            ["--time", "150s", "--interval", "90s"], ["second probe", "240 s"], id="one probe"
        ),
        pytest.param(["--probes", "1"], ["second probe", "probes", " 1"], id="only one"),
        pytest.param(["--interval", "1h"], ["interval", "3600 s"], id="lapses"),
        pytest.param(["--time", "0s"], ["time", " 0 s"], id="zero"),
        pytest.param(
            ["--interval", "9h6m8s"], ["1 to 32767 s", "32768 s"], id="more than the kernel takes"
        ),
        pytest.param(["--time", "1500ms"], ["time", "1.5 s", "whole seconds"], id="fraction"),
    ],
)
def test_rejected(flags: list[str], facts: list[str]) -> None:
    """
    Values that do not protect the configured paths are rejected, with sufficient ones.
    """
    result = run_fix("--for", "sysctl", *flags)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: ")
    # The first line has all values. The reasons follow.
    _, _, reasons = result.stderr.partition("\n")
    assert all(fact in reasons for fact in facts)
    is_whole = "1500ms" not in flags
    assert reasons.endswith(": --time 120s --interval 30s --probes 8\n") == is_whole


@pytest.mark.parametrize("flags", [["--time", "212s", "--interval", "10s"], ["--time", "1s"]])
def test_just_accepted(flags: list[str]) -> None:
    """
    Values are accepted if the first probe is in time even when timers fire late.
    """
    assert run_fix("--for", "sysctl", *flags).exit_code == 0


def test_recommended_rejected(tmp_path: Path) -> None:
    """
    Recommended values are also rejected if they do not protect the configured paths.
    """
    file = tmp_path / "config.yml"
    file.write_text("paths: [{name: office, idle_timeout: 100s}]\n")
    result = run_fix("--for", "compose", "--config.file", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "office (100 s)" in result.stderr
    assert result.stderr.endswith(": --time 50s --interval 12s --probes 8\n")


@pytest.mark.parametrize(
    ("arguments", "value", "allowed"),
    [
        ((), "'--for'", "sysctl"),
        (("--for", "solaris"), "'solaris'", "sysctl, "),
        (("--for", "sysctl", "--time", "120"), "'120'", "350s"),
        (("--for", "sysctl", "--probes", "0"), "0 is not in the range", "1<=x<=255"),
        (("--for", "powershell", "--probes", "8"), "8 cannot be set on Windows", "10"),
        (("--for", "sysctl", "--config.file", "/absent.yml"), "/absent.yml: ", "No such file"),
    ],
)
def test_wrong_flags(arguments: tuple[str, ...], value: str, allowed: str) -> None:
    """
    A wrong flag leads to exit code 2. The message has the value and what is allowed.
    """
    result = run_fix(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert value in result.stderr
    assert allowed in result.stderr


@pytest.mark.system
def test_nothing_but_the_text() -> None:
    """
    The real command only prints the text.
    """
    ended = run_exporter("fix", "--for", "sysctl", "--probes", str(PROBES))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == printed("sysctl", "--probes", str(PROBES))

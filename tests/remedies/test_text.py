"""
What is printed: complete, the same each time, safe to put anywhere; and what is refused.
"""

import shlex
from pathlib import Path

import pytest

from exporter.model import Platform
from exporter.remedies import TARGETS
from tests.exporter_process import run_exporter
from tests.remedies.printed import INTERVAL, PROBES, TIME, commands, printed, run_fix

TARGET = pytest.mark.parametrize("target", list(TARGETS))
BEGINNINGS = {
    "windows-reg": "Windows Registry Editor Version 5.00\r\n\r\n",
    "cloud-init": "#cloud-config\n",
}
"""What must come first for the file to be taken for what it is."""


@TARGET
def test_complete(target: str) -> None:
    """
    Every text says what it does, what it does not do, how to apply, verify and undo it.
    """
    text = printed(target)
    assert text.startswith(BEGINNINGS.get(target, "# TCP keepalive"))
    assert "Connections that are\n" in text.replace("\r", "")
    assert "already keep their old timers: restart the services" in text
    for said in (f"after {TIME} s", f"{INTERVAL} s; after", "azure-outbound, 240 s"):
        assert said in text
    assert "tcp-keepalive-exporter check" in commands(text, "Verify")[-1]
    for heading in ("Apply", "Undo"):
        assert commands(text, heading) or (target, heading) == ("cloud-init", "Apply")


@TARGET
def test_lines(target: str) -> None:
    """
    Lines end as the operating system has them end, the last one too, and none in blanks.
    """
    text = printed(target)
    end = "\r\n" if TARGETS[target] is Platform.WINDOWS else "\n"
    lines = text.split(end)
    assert lines.pop() == ""
    for line in lines:
        assert line == line.rstrip()
        assert line.isprintable()


@TARGET
def test_printed_by_what_it_says(target: str) -> None:
    """
    The command that a text names prints just that text, whatever the config file recommends.
    """
    text = printed(target)
    (command,) = (line[2:] for line in text.splitlines() if line[2:].startswith("tcp-keepalive"))
    _, _, *arguments = shlex.split(command)
    assert run_fix(*arguments).stdout_bytes.decode() == text


@TARGET
def test_config_file(target: str, tmp_path: Path) -> None:
    """
    The values are those that the config file recommends, for the paths that it has.
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
    ended = 140 if TARGETS[target] is Platform.WINDOWS else 70
    assert f"ended, {ended} s after its peer" in text


def test_no_paths(tmp_path: Path) -> None:
    """
    Without a path nobody can say whether the values are right, and the text does not.
    """
    file = tmp_path / "config.yml"
    file.write_text("profile: none\n")
    text = printed("sysctl", "--config.file", str(file), "--time", "9h")
    assert "nobody can say: no path" in text
    assert "net.ipv4.tcp_keepalive_time = 32400\n" in text


@pytest.mark.parametrize("target", ["windows-reg", "powershell"])
def test_windows(target: str) -> None:
    """
    The number of probes is 10 and not set: TcpMaxDataRetransmissions stands in comments alone.
    """
    text = printed(target, "--probes", "10")
    assert text == printed(target, "--probes", "10", "--time", "120s")
    assert "after 10 of them the connection is ended, 420 s" in text
    for line in text.splitlines():
        assert "TcpMaxDataRetransmissions" not in line or line[0] in ";#"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        pytest.param(
            ["--time", "240s"],
            "The first probe goes out after 240 s of idling, and nothing refreshes the mapping"
            " before the idle timeout of azure-outbound (240 s) and azure-inbound (240 s).",
            id="at the timeout",
        ),
        pytest.param(
            ["--time", "213s", "--interval", "10s"],
            "Probes are due after 213 s of idling, but the kernel's timers may fire an eighth"
            " later, after 240 s: too late for the idle timeout of",
            id="late timers",
        ),
        pytest.param(
            ["--time", "150s", "--interval", "90s"],
            "The second probe would come after 240 s of idling",
            id="one probe",
        ),
        pytest.param(["--probes", "1"], "With 1 probe there is no second one", id="only one"),
        pytest.param(
            ["--interval", "1h"], "Linux waits for the interval, 3600 s, before", id="lapses"
        ),
        pytest.param(["--time", "0s"], "The time is 0 s", id="zero"),
        pytest.param(
            ["--interval", "9h6m8s"], "sensible are 1 to 32767 s", id="more than the kernel takes"
        ),
        pytest.param(
            ["--time", "1500ms"],
            "1.5 s cannot be set as time, only whole seconds can.",
            id="no whole seconds",
        ),
    ],
)
def test_refused(flags: list[str], message: str) -> None:
    """
    Values that would not protect the configured paths are refused, with the numbers.
    """
    result = run_fix("--for", "sysctl", *flags)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: time ")
    assert message in result.stderr
    whole = "1500ms" not in flags
    assert (
        result.stderr.endswith("These would do: --time 120s --interval 30s --probes 8\n") == whole
    )


@pytest.mark.parametrize("flags", [["--time", "212s", "--interval", "10s"], ["--time", "1s"]])
def test_just_accepted(flags: list[str]) -> None:
    """
    Values are accepted whose first probe, however late, comes before the timeout.
    """
    assert run_fix("--for", "sysctl", *flags).exit_code == 0


def test_refused_by_config_file(tmp_path: Path) -> None:
    """
    What the config file recommends is refused too if its paths forget sooner.
    """
    file = tmp_path / "config.yml"
    file.write_text("paths: [{name: office, idle_timeout: 100s}]\n")
    result = run_fix("--for", "compose", "--config.file", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "before the idle timeout of office (100 s)" in result.stderr
    assert result.stderr.endswith("These would do: --time 50s --interval 12s --probes 8\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing option '--for'"),
        (("--for", "solaris"), "'solaris' is not one of 'sysctl', "),
        (("--for", "sysctl", "--time", "120"), "'120' is no duration; write it like 350s"),
        (("--for", "sysctl", "--probes", "0"), "0 is not in the range 1<=x<=255"),
        (("--for", "powershell", "--probes", "8"), "Windows, which always sends 10"),
        (("--for", "sysctl", "--config.file", "/absent.yml"), "/absent.yml: cannot be read"),
    ],
)
def test_wrong_flags(arguments: tuple[str, ...], message: str) -> None:
    """
    A wrong flag ends the command with exit code 2 and says what is allowed.
    """
    result = run_fix(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_nothing_but_the_text() -> None:
    """
    The real command prints the text and nothing else.
    """
    ended = run_exporter("fix", "--for", "sysctl", "--probes", str(PROBES))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == printed("sysctl", "--probes", str(PROBES))

"""
`check`: what it prints, and with what exit code it ends. tests/e2e/test_findings.py has real hosts.
"""

import contextlib
import errno
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result
from rich.console import Console

from exporter.analysis.findings import find_all
from exporter.analysis.report import Verdict, reports
from exporter.cli import main
from exporter.cli.check_text import show
from exporter.collectors import reader, sampler
from exporter.linux import NamespaceSockets
from exporter.model import HOST_NETNS, Counters, Recommended, Settings, Snapshot, StrandedError
from exporter.model import Path as NetworkPath
from exporter.paths.matching import PROFILES, Profile, Surroundings
from tests.analysis.findings import linux, path, windows
from tests.exporter_process import AS_NOBODY, COMMAND, ROOT, run_exporter
from tests.lab import Host, requires_lab

AZURE = PROFILES[Profile.AZURE]
PROBLEM = "cannot read tcp_keepalive_probes: Permission denied"
GOOD = linux()
BAD = linux(7200, 75, 9, 15)
DOUBTFUL = linux(120, 120)
UNKNOWN = Settings(120, 30, None, 8, frozenset(), problems=(PROBLEM,))
BAD_AND_UNKNOWN = Settings(120_000, 30, None, 8, frozenset(), problems=(PROBLEM,))


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """
    Have the log of this process, whose command it is not, as it was.
    """
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def invoke(monkeypatch: pytest.MonkeyPatch, settings: Settings, *flags: str) -> Result:
    """
    Run `check` on a host that has these settings, and no connections.
    """
    nothing = NamespaceSockets(Counters(0, 0, 0), Surroundings(frozenset(), frozenset()), ())
    monkeypatch.setattr(sampler, "read_settings", lambda: settings)
    monkeypatch.setattr(reader, "read_sockets", lambda: nothing)
    return CliRunner().invoke(main, ["check", *flags])


def snapshot(settings: dict[str, Settings], paths: tuple[NetworkPath, ...]) -> Snapshot:
    """
    A sample of namespaces that have these settings.
    """
    return Snapshot(
        settings=settings,
        sockets=None,
        readable_namespaces=len(settings),
        unreadable_namespaces=0,
        runs={},
        due=0.0,
        findings=find_all(settings, {}, Recommended(), paths),
    )


def text(settings: dict[str, Settings], *paths: NetworkPath, colour: bool = False) -> str:
    """
    What `check` prints of them, 80 columns wide.
    """
    console = Console(
        file=io.StringIO(),
        width=80,
        highlight=False,
        force_terminal=colour,
        color_system="standard" if colour else None,
    )
    with console.capture() as printed:
        show(reports(snapshot(settings, paths), paths), Recommended(), console)
    return printed.get()


@pytest.mark.parametrize(
    ("settings", "code", "line"),
    [
        (GOOD, 0, None),
        (BAD, 1, "host: at risk: 2 of 2 paths unprotected (KA001)"),
        (
            DOUBTFUL,
            1,
            "host: doubtful: Only one keepalive probe comes before a path's idle timeout (KA002)",
        ),
        (UNKNOWN, 2, "host: cannot tell: 1 setting cannot be read"),
        (
            BAD_AND_UNKNOWN,
            1,
            "host: doubtful: The keepalive time or interval is out of range (KA004)",
        ),
    ],
    ids=["all right", "at risk", "doubtful", "unknown", "doubtful and unknown"],
)
def test_exit_codes(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, code: int, line: str | None
) -> None:
    """
    The exit code is the same in every format; what is known to be wrong goes before what is not
    known. Quiet says one line, or nothing, and what could not be read is on standard error.
    """
    quiet = invoke(monkeypatch, settings, "--quiet")
    assert quiet.exit_code == code
    assert quiet.stdout == ("" if line is None else f"{line}\n")
    problem = (
        f"Error: collector fails (collector settings): {PROBLEM}\n" if settings.problems else ""
    )
    for flags in (["--quiet"], ["--format=json"], ["--format=text"], []):
        result = invoke(monkeypatch, settings, *flags)
        assert (result.exit_code, result.stderr) == (code, problem)


def test_no_settings_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where reading fails in a way that nobody foresaw, nothing is claimed.
    """

    def fail() -> Settings:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(sampler, "read_settings", fail)
    result = CliRunner().invoke(main, ["check", "--quiet"])
    assert (result.exit_code, result.stdout) == (2, "1 network namespace cannot be read\n")
    assert "unexpected ZeroDivisionError: a fault" in result.stderr


@pytest.mark.parametrize(
    ("settings", "code", "lines"),
    [
        (GOOD, 2, ["3 network namespaces cannot be read"]),
        (
            BAD,
            1,
            [
                "host: at risk: 2 of 2 paths unprotected (KA001)",
                "3 network namespaces cannot be read",
            ],
        ),
    ],
)
def test_namespaces_missing(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, code: int, lines: list[str]
) -> None:
    """
    Namespaces that nothing could be read of are not taken to be all right.
    """
    seen = replace(snapshot({HOST_NETNS: settings}, AZURE), unreadable_namespaces=3)
    monkeypatch.setattr(sampler.Sampler, "sample", lambda _: seen)
    quiet, as_json = (
        CliRunner().invoke(main, ["check", flag]) for flag in ("--quiet", "--format=json")
    )
    assert (quiet.exit_code, as_json.exit_code) == (code, code)
    assert quiet.stdout.splitlines() == lines
    assert json.loads(as_json.stdout)["unreadable_namespaces"] == 3


def test_stranded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Should the command not come back from another namespace, it claims nothing.
    """

    def strand(_: sampler.Sampler) -> Snapshot:
        raise StrandedError("cannot come back from web: Invalid argument")

    monkeypatch.setattr(sampler.Sampler, "sample", strand)
    result = CliRunner().invoke(main, ["check"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: cannot come back from web: Invalid argument\n"


def test_text() -> None:
    """
    The text has the settings beside the recommended ones, each path's verdict, and the findings,
    the most severe first, a remedy that was told already by its id.
    """
    printed = text({HOST_NETNS: linux(-1, 30, 8, 15)}, *AZURE)
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert lines[0] == "host"
    assert "time -1 s 120 s" in lines
    assert "azure-outbound outbound 240 s unprotected: no probe" in lines
    heads = [line for line in lines if line.startswith("KA")]
    assert heads == [
        "KA001 critical: No keepalive probe comes before a path's idle timeout",
        "KA004 warning: The keepalive time or interval is out of range",
        "KA010 info: Data on a dead connection is retransmitted for many minutes",
    ]
    assert "Remedy: as for KA001." in lines
    assert "docs/findings.md#ka004" in lines
    assert lines[-1] == "host: at risk: 2 of 2 paths unprotected (KA001, KA004)"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (linux(), "protected by 4 probes"),
        (linux(7200), "unprotected: first probe after 7200 s"),
        (linux(-1), "unprotected: no probe"),
        (linux(probes=0), "unprotected: no probe"),
        (linux(interval=300), "unprotected after the first probe"),
        (linux(239, 0), "protected, if no timer is late"),
        (linux(probes=1), "protected by 1 probe"),
        (linux(probes=None), "cannot tell"),
        (windows(120, 30), "protected by 10 probes"),
    ],
)
def test_verdict_of_a_path(settings: Settings, words: str) -> None:
    """
    Each path has its verdict.
    """
    line = next(line for line in text({HOST_NETNS: settings}, *AZURE).splitlines() if "240" in line)
    assert line.split("240 s")[1].strip() == words


def test_several_namespaces() -> None:
    """
    Each namespace has its part; at the end stands a line for each.
    """
    settings = {HOST_NETNS: linux(), "web": linux(7200), "db": UNKNOWN}
    lines = text(settings, *AZURE).splitlines()
    assert [lines.index(name) for name in settings] == sorted(map(lines.index, settings))
    assert lines[-3:] == [
        "host: all right: 2 of 2 paths protected",
        "web: at risk: 2 of 2 paths unprotected (KA001)",
        "db: cannot tell: 1 setting cannot be read",
    ]


def test_without_paths() -> None:
    """
    Without paths there is no table of them, and the last line says so.
    """
    lines = text({HOST_NETNS: BAD}).splitlines()
    assert lines[-1] == "host: all right: no path is configured"
    assert not any("verdict" in line for line in lines)


def test_80_columns() -> None:
    """
    Nothing but the last line, which programs may cut out, is wider than that; names are whole.
    """
    name = "a-name-of-63-characters-" + "x" * 39
    printed = text({HOST_NETNS: BAD}, path(name, 350.5), *AZURE)
    *lines, _ = printed.splitlines()
    assert max(map(len, lines)) <= 80
    assert name in "".join(line.split("any")[0].strip() for line in lines)


def test_colour() -> None:
    """
    On a terminal what is wrong is red; elsewhere there are no escape sequences.
    """
    assert "\x1b[31munprotected" in text({HOST_NETNS: BAD}, *AZURE, colour=True)
    assert "\x1b" not in text({HOST_NETNS: BAD}, *AZURE)


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_terminal(environment: dict[str, str], coloured: bool) -> None:
    """
    The real command colours what it prints on a terminal, unless told not to.
    """
    plain = {name: value for name, value in os.environ.items() if "COLOR" not in name}
    terminal, end = pty.openpty()
    ended = subprocess.run(
        [*COMMAND, "check"],
        cwd=ROOT,
        env=plain | {"TERM": "xterm-256color"} | environment,
        stdout=end,
        check=False,
    )
    os.close(end)
    printed = _read_all(terminal)
    assert ended.returncode in (0, 1)
    assert "azure-outbound" in printed
    assert ("\x1b[3" in printed) == coloured


def _read_all(terminal: int) -> str:
    parts = []
    with contextlib.suppress(OSError):  # EIO is how Linux tells that the other end is closed
        while part := os.read(terminal, 65536):
            parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode()


def test_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    JSON has everything that the text has, under the names that docs/check.md promises.
    """
    result = invoke(monkeypatch, BAD, "--format=json")
    document = json.loads(result.stdout)
    (namespace,) = document.pop("namespaces")
    assert document == {
        "format": 1,
        "unreadable_namespaces": 0,
        "recommended": {"time_seconds": 120, "interval_seconds": 30, "probes": 8},
    }
    findings = namespace.pop("findings")
    assert namespace == {
        "netns": "host",
        "verdict": "at_risk",
        "summary": "host: at risk: 2 of 2 paths unprotected (KA001)",
        "platform": "linux",
        "settings": {
            "time_seconds": 7200,
            "interval_seconds": 75,
            "probes": 9,
            "data_retransmissions": 15,
        },
        "problems": [],
        "paths": [
            {
                "path": name,
                "direction": direction,
                "idle_timeout_seconds": 240,
                "probes_before_timeout": 0,
                "protected": False,
                "cover": "unprotected",
            }
            for name, direction in (("azure-outbound", "outbound"), ("azure-inbound", "inbound"))
        ],
    }
    assert [finding["id"] for finding in findings] == ["KA001", "KA010"]
    assert all(
        list(finding) == ["id", "severity", "title", "problem", "remedy", "docs"]
        for finding in findings
    )


def test_json_of_what_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What could not be read is null.
    """
    document = json.loads(invoke(monkeypatch, UNKNOWN, "--format=json").stdout)
    (namespace,) = document["namespaces"]
    assert namespace["settings"]["probes"] is None
    assert namespace["problems"] == [PROBLEM]
    assert namespace["verdict"] == Verdict.UNKNOWN
    for each in namespace["paths"]:
        assert (each["probes_before_timeout"], each["protected"]) == (None, None)
        assert each["cover"] == "unknown"


def test_paths_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    Paths and profile may come from another file than the recommended values.
    """
    own, paths = tmp_path / "own.yml", tmp_path / "paths.yml"
    own.write_text("{profile: aws, recommended: {time: 60s}}")
    paths.write_text(
        "{profile: none, paths: [{name: office, idle_timeout: 1h}], recommended: {time: 1s}}"
    )
    flags = [f"--config.file={own}", "--format=json"]
    of_own = json.loads(invoke(monkeypatch, GOOD, *flags).stdout)
    both = json.loads(invoke(monkeypatch, GOOD, *flags, f"--paths-from={paths}").stdout)
    assert of_own["recommended"] == both["recommended"]
    assert both["recommended"]["time_seconds"] == 60
    assert [path["path"] for path in of_own["namespaces"][0]["paths"]] == [
        "aws-nat-gateway",
        "aws-nlb",
    ]
    assert [path["path"] for path in both["namespaces"][0]["paths"]] == ["office"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--config.file=absent.yml"], "Error: absent.yml: cannot be read: No such file"),
        (["--paths-from=absent.yml"], "Error: absent.yml: cannot be read: No such file"),
        (["--quiet", "--format=json"], "Error: --quiet prints lines for people"),
        (["--format=xml"], "Error: Invalid value for '--format': 'xml' is not one of"),
        (["now"], "Error: Got unexpected extra argument (now)"),
    ],
)
def test_wrong_usage(flags: list[str], message: str) -> None:
    """
    Wrong flags and files end the command with exit code 2 and a message.
    """
    result = CliRunner().invoke(main, ["check", *flags])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith(message)


@requires_lab
def test_sysctls_hidden() -> None:
    """
    Where /proc/sys cannot be seen, the real command says what it misses and ends with 2.
    """
    mount = 'mount -t tmpfs none /proc/sys; exec "$@"'
    command = ("unshare", "--mount", "sh", "-euc", mount, "sh", *COMMAND)
    ended = run_exporter("check", command=command)
    assert ended.returncode == 2
    assert ended.stdout.endswith("host: cannot tell: 4 settings cannot be read\n")
    assert "cannot read /proc/sys/net/ipv4/tcp_keepalive_time: No such file" in ended.stderr


@requires_lab
def test_netlink_refused() -> None:
    """
    Where the sockets cannot be read, the settings are still judged, and a line says what is amiss.
    """
    refused = (sys.executable, "-m", "tests.e2e.refuse_netlink", str(errno.EPERM), *COMMAND)
    with Host() as host:
        ended = host.run([*refused, "check", "--quiet"], cwd=ROOT, check=False)
    assert ended.returncode == 1
    assert ended.stdout == "host: at risk: 2 of 2 paths unprotected (KA001)\n"
    assert ended.stderr.startswith(
        "Error: collector fails (collector sockets): netlink is not permitted here"
    )


@requires_lab
def test_without_privilege() -> None:
    """
    Nobody may check.
    """
    with Host() as host:
        ended = host.run([*AS_NOBODY, "check", "--quiet"], cwd=ROOT, check=False)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout == "host: at risk: 2 of 2 paths unprotected (KA001)\n"

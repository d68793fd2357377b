"""
`check`: output and exit codes. tests/e2e/test_findings.py covers real hosts.
"""

import contextlib
import errno
import io
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
import structlog
from click.testing import CliRunner, Result
from rich.console import Console

from exporter.analysis.findings import find_all
from exporter.analysis.report import Verdict, reports
from exporter.cli import main
from exporter.cli.check_text import show
from exporter.collectors import namespace_connections as reader
from exporter.collectors import sampler
from exporter.collectors.operating_system import NamespaceSockets
from exporter.config.schema import Config
from exporter.model import (
    HOST_NETNS,
    Counters,
    Exposure,
    NamespaceReading,
    Recommended,
    Settings,
    Snapshot,
    StrandedError,
)
from exporter.model import Path as NetworkPath
from exporter.paths.matching import LocalEndpoints
from exporter.paths.profiles import PROFILES, Profile
from exporter.text.documentation import documentation
from tests.analysis.findings import linux, path, windows
from tests.exporter_process import AS_NOBODY, COMMAND, NO_CLOUD, ROOT, run_exporter
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
    Restore the log configuration of the test process.
    """
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def invoke(monkeypatch: pytest.MonkeyPatch, settings: Settings, *flags: str) -> Result:
    """
    Run `check` on a host with these settings and no connections.
    """
    nothing = NamespaceSockets(Counters(0, 0, 0), LocalEndpoints(frozenset(), frozenset()), ())
    monkeypatch.setattr(sampler, "read_settings", lambda: settings)
    monkeypatch.setattr(reader, "read_sockets", lambda: nothing)
    return CliRunner().invoke(main, ["check", NO_CLOUD, *flags])


def snapshot(
    settings: dict[str, Settings],
    paths: tuple[NetworkPath, ...],
    readings: Mapping[str, NamespaceReading] = MappingProxyType({}),
) -> Snapshot:
    """
    A sample of namespaces with these settings and readings of their sockets.
    """
    return Snapshot(
        settings=settings,
        sockets=None,
        readable_namespaces=len(settings),
        unreadable_namespaces=0,
        runs={},
        due=0.0,
        findings=find_all(settings, readings, Recommended(), paths),
    )


def text(
    settings: dict[str, Settings],
    *paths: NetworkPath,
    readings: Mapping[str, NamespaceReading] = MappingProxyType({}),
    colour: bool = False,
) -> str:
    """
    The text output of `check`, 80 columns wide.
    """
    console = Console(
        file=io.StringIO(),
        width=80,
        highlight=False,
        force_terminal=colour,
        color_system="standard" if colour else None,
    )
    with console.capture() as printed:
        found = reports(snapshot(settings, paths, readings), paths)
        show(found, Recommended(), "Profile azure.", console)
    return printed.get()


@pytest.mark.parametrize(
    ("settings", "code", "facts"),
    [
        (GOOD, 0, ()),
        (BAD, 1, ("host: at risk: ", "2 of 2 paths", "(KA001)")),
        (DOUBTFUL, 1, ("host: doubtful: ", "(KA002)")),
        (UNKNOWN, 2, ("host: ", "1 setting")),
        (BAD_AND_UNKNOWN, 1, ("host: doubtful: ", "(KA004)")),
    ],
    ids=["all right", "at risk", "doubtful", "unknown", "doubtful and unknown"],
)
def test_exit_codes(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, code: int, facts: tuple[str, ...]
) -> None:
    """
    The exit code is the same in every format. Findings take precedence over unreadable settings.
    --quiet prints one line, or nothing if all is right. Read errors go to standard error.
    """
    quiet = invoke(monkeypatch, settings, "--quiet")
    assert quiet.exit_code == code
    assert len(quiet.stdout.splitlines()) == bool(facts)
    assert all(fact in quiet.stdout for fact in facts)
    for flags in (["--quiet"], ["--format=json"], ["--format=text"], []):
        result = invoke(monkeypatch, settings, *flags)
        assert result.exit_code == code
        assert len(result.stderr.splitlines()) == len(settings.problems)
        if settings.problems:
            assert result.stderr.startswith("Error: collector ")
            assert result.stderr.endswith(f" (collector settings): {PROBLEM}\n")


@pytest.mark.system
def test_no_settings_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An unexpected exception while reading leads to exit code 2.
    """

    def fail() -> Settings:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(sampler, "read_settings", fail)
    result = CliRunner().invoke(main, ["check", "--quiet"])
    assert result.exit_code == 2
    assert result.stdout.startswith("1 network namespace ")
    assert "ZeroDivisionError: a fault" in result.stderr


@pytest.mark.parametrize(
    ("settings", "code", "lines"),
    [(GOOD, 2, ["3 network namespaces "]), (BAD, 1, ["host: at risk: ", "3 network namespaces "])],
)
def test_namespaces_missing(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, code: int, lines: list[str]
) -> None:
    """
    Unreadable namespaces are reported, and prevent exit code 0.
    """
    seen = replace(snapshot({HOST_NETNS: settings}, AZURE), unreadable_namespaces=3)
    monkeypatch.setattr(sampler.Sampler, "sample", lambda _: seen)
    quiet, as_json = (
        CliRunner().invoke(main, ["check", flag]) for flag in ("--quiet", "--format=json")
    )
    assert (quiet.exit_code, as_json.exit_code) == (code, code)
    printed = quiet.stdout.splitlines()
    assert len(printed) == len(lines)
    assert all(line.startswith(start) for line, start in zip(printed, lines, strict=True))
    assert json.loads(as_json.stdout)["unreadable_namespaces"] == 3


def test_stranded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    If the process cannot return from another namespace, nothing is printed on standard output.
    """

    def strand(_: sampler.Sampler) -> Snapshot:
        raise StrandedError("cannot come back from web: Invalid argument")

    monkeypatch.setattr(sampler.Sampler, "sample", strand)
    result = CliRunner().invoke(main, ["check"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: cannot come back from web: Invalid argument\n"


def test_text() -> None:
    """
    The text has settings next to recommended ones, a verdict per path, and the findings, the most
    severe first. A repeated remedy refers to the earlier finding.
    """
    printed = text({HOST_NETNS: linux(-1, 30, 8, 15)}, *AZURE)
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert lines[:3] == ["Profile azure.", "", "host"]
    assert "time -1 s 120 s" in lines
    assert any(line.startswith("azure-outbound outbound 240 s unprotected") for line in lines)
    heads = [line.partition(":")[0] for line in lines if line.startswith("KA")]
    assert heads == ["KA001 critical", "KA004 warning", "KA010 info"]
    assert "Remedy: see KA001." in lines
    assert documentation("findings.md#ka004") in "".join(printed.split())  # folded
    assert lines[-1].startswith("host: at risk: 2 of 2 paths ")
    assert lines[-1].endswith(" (KA001, KA004)")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (linux(), "protected by 4 probes"),
        (linux(7200), "unprotected: first probe after 7200 s"),
        (linux(-1), "unprotected: no probes"),
        (linux(probes=0), "unprotected: no probes"),
        (linux(interval=300), "unprotected after the first probe"),
        (linux(239, 0), "protected only if no timer fires late"),
        (linux(probes=1), "protected by 1 probe"),
        (linux(probes=None), "unknown"),
        (windows(120, 30), "protected by 10 probes"),
    ],
)
def test_verdict_of_a_path(settings: Settings, words: str) -> None:
    """
    Each path has a verdict.
    """
    line = next(line for line in text({HOST_NETNS: settings}, *AZURE).splitlines() if "240" in line)
    assert line.split("240 s")[1].strip() == words


def test_several_namespaces() -> None:
    """
    Each namespace has a section, and a summary line at the end.
    """
    settings = {HOST_NETNS: linux(), "web": linux(7200), "db": UNKNOWN}
    lines = text(settings, *AZURE).splitlines()
    assert [lines.index(name) for name in settings] == sorted(map(lines.index, settings))
    host, web, db = lines[-3:]
    assert host.startswith("host: all right: 2 of 2 paths ")
    assert web.startswith("web: at risk: 2 of 2 paths ")
    assert web.endswith(" (KA001)")
    assert db.startswith("db: ")
    assert "1 setting" in db


def pods(number: int) -> tuple[dict[str, Settings], dict[str, NamespaceReading]]:
    """
    Settings and readings of a host and pods, of which the first one has a connection that depends
    on its settings.
    """
    names = [f"shop/web-{each}" for each in range(number)]
    settings = {HOST_NETNS: linux()} | dict.fromkeys(names, BAD)
    nothing = NamespaceReading(Counters(0, 0, 0), at_risk=0)
    exposed = replace(nothing, exposure=Exposure(1, {AZURE[0].name: 1}))
    return settings, dict.fromkeys(names, nothing) | {names[0]: exposed}


def test_many_namespaces() -> None:
    """
    What is equal in many namespaces is printed once, with their number and the first names.
    """
    settings, readings = pods(110)
    lines = [line.strip() for line in text(settings, *AZURE, readings=readings).splitlines()]
    assert (
        lines.count("KA001  critical: No keepalive probe comes before a path's idle timeout") == 1
    )
    assert lines.count("KA001  info: No keepalive probe comes before a path's idle timeout") == 1
    assert sum(line.startswith("setting ") for line in lines) == 3
    assert "shop/web-0" in lines
    assert "In shop/web-0." in lines
    assert "109 network namespaces: shop/web-1, shop/web-2, shop/web-3 and 106 more" in lines
    assert "In 109 network namespaces." in lines
    assert "Remedy for shop/web-1, shop/web-2, shop/web-3 and 106 more: A pod does" in lines
    host, exposed, others = lines[-3:]
    assert host.startswith("host: all right: ")
    assert exposed.startswith("shop/web-0: at risk: ")
    assert others.startswith("shop/web-1, shop/web-2, shop/web-3 and 106 more: all right: 2 of 2")
    assert len(lines) < 100


def test_many_namespaces_in_other_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    --quiet prints one line per namespace that is not all right; JSON has all of them.
    """
    settings, readings = pods(110)
    readings |= dict.fromkeys(("shop/web-7", "shop/web-9"), readings["shop/web-0"])
    seen = snapshot(settings, AZURE, readings)
    monkeypatch.setattr(sampler.Sampler, "sample", lambda _: seen)
    quiet, as_json = (
        CliRunner().invoke(main, ["check", flag]) for flag in ("--quiet", "--format=json")
    )
    assert (quiet.exit_code, as_json.exit_code) == (1, 1)
    names = [line.partition(":")[0] for line in quiet.stdout.splitlines()]
    assert names == ["shop/web-0", "shop/web-7", "shop/web-9"]
    namespaces = json.loads(as_json.stdout)["namespaces"]
    assert [each["netns"] for each in namespaces] == list(settings)
    assert all(each["findings"] for each in namespaces[1:])


def test_no_affected_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    If no connection of the pods is affected, the exit code is 0 and --quiet prints nothing.
    """
    settings, readings = pods(3)
    seen = snapshot(settings, AZURE, readings | {"shop/web-0": readings["shop/web-1"]})
    monkeypatch.setattr(sampler.Sampler, "sample", lambda _: seen)
    result = CliRunner().invoke(main, ["check", "--quiet"])
    assert (result.exit_code, result.stdout) == (0, "")


def test_without_paths() -> None:
    """
    Without paths, the path table is omitted, and the summary has no count of paths.
    """
    lines = text({HOST_NETNS: BAD}).splitlines()
    assert lines[-1].startswith("host: all right: ")
    assert "of 0 paths" not in lines[-1]
    assert not any("verdict" in line for line in lines)


def test_80_columns() -> None:
    """
    Only the summary line, which scripts may parse, may exceed 80 columns. Names are not truncated.
    """
    name = "a-name-of-63-characters-" + "x" * 39
    printed = text({HOST_NETNS: BAD}, path(name, 350.5), *AZURE)
    *lines, _ = printed.splitlines()
    assert max(map(len, lines)) <= 80
    assert name in "".join(line.split("any")[0].strip() for line in lines)


def test_colour() -> None:
    """
    On a terminal, unprotected paths are red. Elsewhere there are no escape sequences.
    """
    assert "\x1b[31munprotected" in text({HOST_NETNS: BAD}, *AZURE, colour=True)
    assert "\x1b" not in text({HOST_NETNS: BAD}, *AZURE)


@pytest.mark.system
@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_terminal(environment: dict[str, str], coloured: bool) -> None:
    """
    The real command prints colours on a terminal unless NO_COLOR is set.
    """
    plain = {name: value for name, value in os.environ.items() if "COLOR" not in name}
    terminal, end = pty.openpty()
    ended = subprocess.run(
        [*COMMAND, "check", NO_CLOUD],
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
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while part := os.read(terminal, 65536):
            parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode()


def test_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    JSON has everything that the text has, under the keys that docs/check.md documents.
    """
    result = invoke(monkeypatch, BAD, "--format=json")
    document = json.loads(result.stdout)
    (namespace,) = document.pop("namespaces")
    assert namespace.pop("summary").startswith("host: at risk: ")
    assert document == {
        "schema_version": 1,
        "command": "check",
        "timestamp": pytest.approx(time.time(), abs=60),
        "unreadable_namespaces": 0,
        "profile": {
            "profiles": ["azure"],
            "source": "default",
            "cloud": "unknown",
            "explanation": Config().chosen_profile.explanation,
        },
        "recommended": {"time_seconds": 120, "interval_seconds": 30, "probes": 8},
    }
    findings = namespace.pop("findings")
    assert namespace == {
        "netns": "host",
        "verdict": "at_risk",
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
    Unreadable values are null.
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
    --paths-from overrides paths and profile, but not the recommended values.
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
        "aws-eni",
        "aws-nat-gateway",
        "aws-nlb",
    ]
    assert both["profile"]["profiles"] == ["none"]
    assert [path["path"] for path in both["namespaces"][0]["paths"]] == ["office"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--config.file=absent.yml"], "Error: absent.yml: cannot be read: No such file"),
        (["--paths-from=absent.yml"], "Error: absent.yml: cannot be read: No such file"),
        (["--quiet", "--format=json"], "Error: --quiet "),
        (["--format=xml"], "Error: Invalid value for '--format': 'xml' is not one of"),
        (["now"], "Error: Got unexpected extra argument (now)"),
    ],
)
def test_wrong_usage(flags: list[str], message: str) -> None:
    """
    Wrong flags and unusable files lead to exit code 2 and a message.
    """
    result = CliRunner().invoke(main, ["check", *flags])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith(message)


@requires_lab
def test_sysctls_hidden() -> None:
    """
    Without /proc/sys, the real command names the unreadable files and exits with 2.
    """
    mount = 'mount -t tmpfs none /proc/sys; exec "$@"'
    command = ("unshare", "--mount", "sh", "-euc", mount, "sh", *COMMAND)
    ended = run_exporter("check", command=command)
    assert ended.returncode == 2
    *_, summary = ended.stdout.splitlines()
    assert summary.startswith("host: ")
    assert "4 settings" in summary
    assert "/proc/sys/net/ipv4/tcp_keepalive_time: No such file" in ended.stderr


@requires_lab
def test_netlink_refused() -> None:
    """
    If netlink is refused, the settings are still judged, and the error is printed.
    """
    refused = (sys.executable, "-m", "tests.e2e.refuse_netlink", str(errno.EPERM), *COMMAND)
    with Host() as host:
        ended = host.run([*refused, "check", "--quiet"], cwd=ROOT, check=False)
    assert ended.returncode == 1
    assert ended.stdout.startswith("host: at risk: ")
    assert ended.stdout.endswith(" (KA001)\n")
    assert ended.stderr.startswith("Error: collector ")
    assert " (collector sockets): netlink " in ended.stderr


@requires_lab
def test_without_privilege() -> None:
    """
    `check` works without privileges.
    """
    with Host() as host:
        ended = host.run([*AS_NOBODY, "check", "--quiet"], cwd=ROOT, check=False)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout.startswith("host: at risk: ")
    assert ended.stdout.endswith(" (KA001)\n")

"""
Format and levels of the log.
"""

import json
import logging
import shlex
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from exporter.cli import log
from tests.cgroups import needs_cgroups
from tests.exporter_process import exporter_process, run_exporter

NASTY = 'a "quoted" = and a \\ on\ntwo lines'


@pytest.fixture(autouse=True)
def logging_restored() -> Iterator[None]:
    """
    Undo the process-wide changes of log.configure().
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def from_logfmt(line: str) -> dict[str, str]:
    """
    The keys and unquoted values of a line.
    """
    return {key: value for key, _, value in (part.partition("=") for part in shlex.split(line))}


def assert_now(timestamp: str) -> None:
    """
    Fail unless the timestamp is current and in UTC.
    """
    assert timestamp.endswith("Z")
    assert datetime.now(UTC) - datetime.fromisoformat(timestamp) < timedelta(seconds=30)


def test_logfmt(capsys: pytest.CaptureFixture[str]) -> None:
    """
    An event is one line of keys and values, time and severity first, whatever the values are.
    """
    log.configure("info", "logfmt")
    structlog.get_logger().error("collector failed", collector="sockets", error=NASTY)
    (line,) = capsys.readouterr().err.splitlines()
    entry = from_logfmt(line)
    assert list(entry) == ["ts", "level", "msg", "collector", "error"]
    assert_now(entry.pop("ts"))
    assert entry == {
        "level": "error",
        "msg": "collector failed",
        "collector": "sockets",
        "error": NASTY.replace("\n", "\\n"),
    }


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """
    As JSON, an event is one object per line.
    """
    log.configure("info", "json")
    structlog.get_logger().error("collector failed", collector="sockets", error=NASTY)
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert_now(entry.pop("ts"))
    assert entry == {
        "level": "error",
        "msg": "collector failed",
        "collector": "sockets",
        "error": NASTY,
    }


@pytest.mark.parametrize("log_format", log.FORMATS)
def test_traceback(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    """
    A traceback stays on its event's line.
    """
    log.configure("info", log_format)
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.get_logger().exception("a fault")
    (line,) = capsys.readouterr().err.splitlines()
    assert "Traceback (most recent call last)" in line
    assert "ZeroDivisionError: division by zero" in line


@pytest.mark.parametrize("log_format", log.FORMATS)
def test_library(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    """
    Log records of libraries have the same format.
    """
    log.configure("info", log_format)
    logging.getLogger("aiohttp.server").error("no %s", "answer")
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line) if log_format == "json" else from_logfmt(line)
    assert (entry["level"], entry["msg"]) == ("error", "no answer")


@pytest.mark.parametrize(
    ("level", "logged"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warn", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_levels(capsys: pytest.CaptureFixture[str], level: str, logged: list[str]) -> None:
    """
    Only events of the configured severity or higher are logged, including those of libraries.
    """
    log.configure(level, "logfmt")
    for logger in (structlog.get_logger(), logging.getLogger("aiohttp.server")):
        for method in ("debug", "info", "warning", "error"):
            getattr(logger, method)("event")
    lines = capsys.readouterr().err.splitlines()
    assert [from_logfmt(line)["level"] for line in lines] == logged * 2


LOGGED = ["profile in force", "listening", "shutting down"]
"""Events of an exporter that starts and ends."""


@pytest.mark.system
def test_process_logs_json() -> None:
    """
    With --log.format=json, every line of the real exporter is JSON.
    """
    needs_cgroups()
    with exporter_process("--log.format=json") as exporter:
        exporter.end()
        entries = [json.loads(line) for line in exporter.log]
    assert [entry["msg"] for entry in entries] == LOGGED
    assert entries[1]["address"].startswith("127.0.0.1:")
    assert_now(entries[0]["ts"])


@pytest.mark.system
def test_process_logs_logfmt() -> None:
    """
    The real exporter logs logfmt by default, and does not log scrapes.
    """
    needs_cgroups()
    with exporter_process() as exporter:
        exporter.metrics()
        exporter.end()
        entries = [from_logfmt(line) for line in exporter.log]
    assert [entry["msg"] for entry in entries] == LOGGED
    assert entries[1]["path"] == "/metrics"
    assert_now(entries[0]["ts"])


@pytest.mark.system
def test_process_keeps_to_level() -> None:
    """
    With --log.level=error, the real exporter logs only errors.
    """
    with socket.create_server(("127.0.0.1", 0)) as other:
        in_use = f"127.0.0.1:{other.getsockname()[1]}"
        ended = run_exporter(
            "--log.level=error",
            "--web.listen-address=127.0.0.1:0",
            f"--web.listen-address={in_use}",
        )
    (line,) = ended.stderr.splitlines()
    assert from_logfmt(line)["level"] == "error"

"""
Reload and check of the config file.
"""

import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.exporter_process import NO_CLOUD, ExporterProcess, exporter_process, run_exporter

pytestmark = pytest.mark.system

ONE_PATH = "profile: none\npaths: [{name: office, idle_timeout: 5m}]\n"
OTHER_PATH = "profile: none\npaths: [{name: home, idle_timeout: 9m}]\n"
OFFICE = 'tcp_keepalive_path_idle_timeout_seconds{direction="any",path="office"}'
HOME = 'tcp_keepalive_path_idle_timeout_seconds{direction="any",path="home"}'
LIFECYCLE = "--web.enable-lifecycle"
REJECTED = 'level=error msg="config reload failed, keeping the previous configuration"'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """
    A config file with one path.
    """
    file = tmp_path / "config.yml"
    file.write_text(ONE_PATH)
    return file


def post(exporter: ExporterProcess, method: str = "POST") -> tuple[int, str]:
    """
    Status and body of the response to a reload request.
    """
    url = f"http://{exporter.addresses[0]}/-/reload"
    try:
        request = urllib.request.Request(url, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def hang_up(exporter: ExporterProcess) -> None:
    """
    Send SIGHUP and wait for the next log line.
    """
    before = len(exporter.log)
    exporter.process.send_signal(signal.SIGHUP)
    _until(lambda: len(exporter.log) > before)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("method", ["POST", "PUT", "SIGHUP"])
def test_reload(file: Path, method: str) -> None:
    """
    A request or SIGHUP reloads the config.
    """
    with exporter_process(f"--config.file={file}", LIFECYCLE) as exporter:
        assert exporter.metrics()[OFFICE] == 300
        file.write_text(OTHER_PATH)
        if method == "SIGHUP":
            hang_up(exporter)
        else:
            assert post(exporter, method)[0] == 200
        metrics = exporter.wait_for({HOME: 540})
        assert OFFICE not in metrics
        reloaded = f'level=info msg="config reloaded" file={file}'
        assert any(line.endswith(reloaded) for line in exporter.log)


@pytest.mark.parametrize("method", ["POST", "SIGHUP"])
def test_broken(file: Path, method: str) -> None:
    """
    An invalid config is rejected with the reason, and the previous one is kept.
    """
    with exporter_process(f"--config.file={file}", LIFECYCLE) as exporter:
        file.write_text("profile: oracle\n")
        problem = f"{file}: profile: unknown profile 'oracle'; allowed: auto, azure"
        if method == "SIGHUP":
            hang_up(exporter)
        else:
            status, text = post(exporter)
            assert status == 500
            assert problem in text
        assert REJECTED in exporter.log[-1]
        assert problem in exporter.log[-1]
        assert exporter.metrics()[OFFICE] == 300
        assert exporter.process.poll() is None


def test_without_flag(file: Path) -> None:
    """
    Reload requests are rejected without --web.enable-lifecycle.
    """
    with exporter_process(f"--config.file={file}") as exporter:
        file.write_text(OTHER_PATH)
        status, text = post(exporter)
        assert status == 403
        assert LIFECYCLE in text
        assert exporter.get("/-/reload")[0] == 405
        assert exporter.metrics()[OFFICE] == 300


def test_without_file() -> None:
    """
    SIGHUP does not end an exporter without a config file.
    """
    with exporter_process() as exporter:
        hang_up(exporter)
        assert 'msg="config reloaded"' in exporter.log[-1]
        assert exporter.get("/-/healthy")[0] == 200


def test_check(file: Path, tmp_path: Path) -> None:
    """
    --config.check reports valid files and the resulting profile, and exits.
    """
    web = tmp_path / "web.yml"
    web.write_text("rate_limit: {interval: 1s, burst: 5}")
    ended = run_exporter(
        "--config.check", NO_CLOUD, f"--config.file={file}", f"--web.config.file={web}"
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == (f"{file}: valid\n{web}: valid\nProfile none, from the config file.\n")


@pytest.mark.parametrize("flag", ["--config.file", "--web.config.file"])
@pytest.mark.parametrize("check", [["--config.check"], []])
def test_check_broken(tmp_path: Path, flag: str, check: list[str]) -> None:
    """
    An invalid file leads to exit code 2 and names the key, both in a check and on startup.
    """
    file = tmp_path / "broken.yml"
    file.write_text("nonsense: 1")
    ended = run_exporter(f"{flag}={file}", *check)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"Error: {file}: nonsense: unknown key; allowed")

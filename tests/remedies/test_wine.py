"""
The registry file, imported by Wine's programs and read back by the exporter.
"""

from collections.abc import Iterator

import pytest

from exporter.model import Settings
from tests.lab.requirements import lacks
from tests.remedies.printed import INTERVAL, TIME, commands, printed
from tests.remedies.wine import Wine, find_wine, wine
from tests.windows.registry_values import KEY, Registry, on_windows
from tests.windows.test_registry import DEFAULTS

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wine]:
    """
    A Windows environment of Wine.
    """
    program = find_wine()
    if program is None:
        lacks("wine64")
    with wine(program, tmp_path_factory.mktemp("wine")) as made:
        yield made


def settings(windows: Wine) -> Settings:
    """
    The settings that the exporter reads from the registry.
    """
    values = windows.values(rf"HKLM\{KEY}")
    assert values, "the key always has values such as Hostname"
    with on_windows(Registry(values)) as module:
        found: Settings = module.read_settings()
    return found


def test_apply_and_undo(windows: Wine) -> None:
    """
    Both programs import the two times in milliseconds, and nothing else. Undo removes them.
    """
    text = printed("windows-reg")
    (windows.directory / "tcp-keepalive.reg").write_bytes(text.encode("ascii"))
    apply, *_ = commands(text, "Apply")
    assert settings(windows) == DEFAULTS
    for program in ("reg import", "regedit /S"):
        windows.run(apply.replace("reg import", program))
        found = settings(windows)
        assert (found.time, found.interval) == (TIME, INTERVAL)
        assert found.configured == {"time", "interval"}
        assert found.problems == ()
    for command in commands(text, "Undo"):
        if command.startswith("reg "):  # the other command restarts Windows
            windows.run(command)
    assert settings(windows) == DEFAULTS

"""
The registry file, imported as it says by Wine's programs, and read back as the exporter reads it.
"""

from collections.abc import Iterator

import pytest

from exporter.model import Settings
from tests.lab.requirements import is_root
from tests.remedies.printed import INTERVAL, TIME, commands, printed
from tests.remedies.wine import Wine, find_wine, wine
from tests.windows.registry_values import KEY, Registry, on_windows
from tests.windows.test_registry import DEFAULTS


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wine]:
    """
    A Windows as Wine has it.
    """
    program = find_wine()
    if program is None and not is_root():
        pytest.skip("Wine is not installed (Debian's package wine64)")
    assert program is not None, "install Debian's package wine64"
    with wine(program, tmp_path_factory.mktemp("wine")) as made:
        yield made


def settings(windows: Wine) -> Settings:
    """
    What the exporter makes of the registry.
    """
    values = windows.values(rf"HKLM\{KEY}")
    assert values, "the key has others, such as Hostname"
    with on_windows(Registry(values)) as module:
        found: Settings = module.read_settings()
    return found


def test_apply_and_undo(windows: Wine) -> None:
    """
    Imported by either program it sets the two times, in milliseconds, and nothing else; undone,
    nothing is set.
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
        if command.startswith("reg "):  # the other one restarts Windows
            windows.run(command)
    assert settings(windows) == DEFAULTS

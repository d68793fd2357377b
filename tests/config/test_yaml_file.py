"""
Config files that cannot be loaded: invalid YAML, not text, or absent.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.schema import Config, ConfigError, load
from tests.lab.requirements import is_root


def error_of(file: Path) -> str:
    """
    The message of the ConfigError that load() raises.
    """
    with pytest.raises(ConfigError) as error:
        load(file)
    return str(error.value)


@pytest.mark.parametrize(
    ("content", "problem", "line", "column"),
    [
        ("profile: azure\n sampling: 5", "mapping values are not allowed here", 2, 10),
        ("profile: {", "expected the node content, but found '<stream end>'", 1, 11),
        ("profile: aws\nprofile: gcp", "duplicate key 'profile'", 2, 1),
        ("profile: !!set {a, a}", "duplicate key 'a'", 1, 20),
        ("profile: *aws", "found undefined alias 'aws'", 1, 10),
        ("profile: !own azure", "could not determine a constructor for the tag '!own'", 1, 10),
        ("profile: !!map azure", "expected a mapping node, but found scalar", 1, 10),
        ("profile: 2020-13-45", "'2020-13-45' is not a valid timestamp", 1, 10),
        ("profile: 0b_", "'0b_' is not a valid int", 1, 10),
        ("profile: !!bool perhaps", "'perhaps' is not a valid bool", 1, 10),
        ("profile: !!timestamp now", "'now' is not a valid timestamp", 1, 10),
        ("profile: !!int", "'' is not a valid int", 1, 10),
    ],
)
def test_not_yaml(tmp_path: Path, content: str, problem: str, line: int, column: int) -> None:
    """
    The error of invalid YAML has the line and column.
    """
    file = tmp_path / "config.yml"
    file.write_text(content)
    *_, message, place = error_of(file).splitlines()
    assert problem in message
    assert place == f'  in "{file}", line {line}, column {column}'


def test_nested_too_deeply(tmp_path: Path) -> None:
    """
    A file that is nested too deeply for the parser is rejected with a ConfigError.
    """
    file = tmp_path / "config.yml"
    file.write_text("[" * 10_000)
    assert error_of(file).startswith(f"{file}: ")
    assert "nested too deeply" in error_of(file)


def test_not_text(tmp_path: Path) -> None:
    """
    The error of a file that is not UTF-8 has the byte and its position.
    """
    file = tmp_path / "config.yml"
    file.write_bytes(b"profile: \xff")
    message = error_of(file)
    assert message.startswith(f"{file}: ")
    assert "UTF-8" in message
    assert "0xff in position 9" in message


@pytest.mark.parametrize(
    ("name", "reason"), [(".", "Is a directory"), ("absent.yml", "No such file or directory")]
)
def test_unreadable(tmp_path: Path, name: str, reason: str) -> None:
    """
    The error of a file that cannot be read has the file and the reason.
    """
    file = tmp_path / name
    assert error_of(file) == f"{file}: cannot be read: {reason}"


def test_no_permission(tmp_path: Path) -> None:
    """
    The error of a file without read permission has the file and the reason.
    """
    file = tmp_path / "config.yml"
    file.touch(mode=0o000)
    with as_nobody():
        assert error_of(file) == f"{file}: cannot be read: Permission denied"


@contextmanager
def as_nobody() -> Iterator[None]:
    """
    Drop root's privileges in the block; without root, do nothing.
    """
    if not is_root():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


MARKUP = st.sampled_from([*"{}[]:,-&*!|>'\"#%@? \n\t", "&a ", "*a", "<<: ", "!!int ", "!!map "])
WORDS = st.sampled_from(
    ["profile: ", "paths: ", "name", "remote: ", "sampling: ", "azure", "10.0.0.0/8", "4m", "1"]
)


@given(st.lists(MARKUP | WORDS | st.text(max_size=3), max_size=15))
def test_anything_else(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    """
    Any content is either a configuration or a ConfigError.
    """
    file = tmp_path_factory.getbasetemp() / "anything.yml"
    file.write_text("".join(parts), encoding="utf-8", errors="surrogatepass")
    try:
        assert isinstance(load(file), Config)
    except ConfigError as error:
        assert str(error).startswith(str(file))  # noqa: PT017  either outcome is right

"""
Config files that no configuration can be got out of: not YAML, not text, not there.
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


def complaint(file: Path) -> str:
    """
    What load() says of the file.
    """
    with pytest.raises(ConfigError) as error:
        load(file)
    return str(error.value)


@pytest.mark.parametrize(
    ("content", "problem", "line", "column"),
    [
        ("profile: azure\n sampling: 5", "mapping values are not allowed here", 2, 10),
        ("profile: {", "expected the node content, but found '<stream end>'", 1, 11),
        ("profile: aws\nprofile: gcp", "the key 'profile' stands twice", 2, 1),
        ("profile: !!set {a, a}", "the key 'a' stands twice", 1, 20),
        ("profile: *aws", "found undefined alias 'aws'", 1, 10),
        ("profile: !own azure", "could not determine a constructor for the tag '!own'", 1, 10),
        ("profile: !!map azure", "expected a mapping node, but found scalar", 1, 10),
        ("profile: 2020-13-45", "'2020-13-45' is no timestamp", 1, 10),
        ("profile: 0b_", "'0b_' is no int", 1, 10),
        ("profile: !!bool perhaps", "'perhaps' is no bool", 1, 10),
        ("profile: !!timestamp now", "'now' is no timestamp", 1, 10),
        ("profile: !!int", "'' is no int", 1, 10),
    ],
)
def test_not_yaml(tmp_path: Path, content: str, problem: str, line: int, column: int) -> None:
    """
    What YAML cannot make sense of is named with its line.
    """
    file = tmp_path / "config.yml"
    file.write_text(content)
    *_, said, place = complaint(file).splitlines()
    assert said.removeprefix(f"{file}: is not valid YAML: ") == problem
    assert place == f'  in "{file}", line {line}, column {column}'


def test_nested_too_deeply(tmp_path: Path) -> None:
    """
    A file that is nothing but brackets is refused like any other.
    """
    file = tmp_path / "config.yml"
    file.write_text("[" * 10_000)
    assert complaint(file) == f"{file}: is not valid YAML: it is nested too deeply"


def test_not_text(tmp_path: Path) -> None:
    """
    A file that is not UTF-8 is said to be none.
    """
    file = tmp_path / "config.yml"
    file.write_bytes(b"profile: \xff")
    assert complaint(file) == (
        f"{file}: is not UTF-8 text: 'utf-8' codec can't decode byte 0xff in position 9:"
        " invalid start byte"
    )


@pytest.mark.parametrize(
    ("name", "reason"), [(".", "Is a directory"), ("absent.yml", "No such file or directory")]
)
def test_unreadable(tmp_path: Path, name: str, reason: str) -> None:
    """
    A file that cannot be read is named with the reason.
    """
    file = tmp_path / name
    assert complaint(file) == f"{file}: cannot be read: {reason}"


def test_no_permission(tmp_path: Path) -> None:
    """
    A file that others may read, but not the exporter, is named with that reason.
    """
    file = tmp_path / "config.yml"
    file.touch(mode=0o000)
    with as_nobody():
        assert complaint(file) == f"{file}: cannot be read: Permission denied"


@contextmanager
def as_nobody() -> Iterator[None]:
    """
    Lay down root's rights until the block is left; without them there is nothing to do.
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
    Whatever a file holds, it is a configuration or a ConfigError.
    """
    file = tmp_path_factory.getbasetemp() / "anything.yml"
    file.write_text("".join(parts), encoding="utf-8", errors="surrogatepass")
    try:
        assert isinstance(load(file), Config)
    except ConfigError as error:
        assert str(error).startswith(str(file))  # noqa: PT017  either outcome is right

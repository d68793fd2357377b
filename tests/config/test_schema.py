"""
The config file: what it may hold, and what is said of what it may not.
"""

from pathlib import Path

import pytest

from exporter import model
from exporter.config.schema import (
    Config,
    ConfigError,
    load,
    parse_duration,
)
from exporter.model import Direction, OnTimeout
from exporter.paths.matching import PROFILES, Profile
from tests.exporter_process import ROOT, run_exporter

EXAMPLE = """
profile: azure             # azure, azure-nat-gateway, aks, aws, gcp, none
paths:                     # before the profile's own; first match wins
  - {name: office-firewall, direction: outbound, remote: [10.0.0.0/8], idle_timeout: 1h,
     on_timeout: drop}
recommended: {time: 120s, interval: 30s, probes: 8}
near_limit_ratio: 0.75
sampling: {interval: 15s, max_duty_cycle: 0.1}
namespaces: host           # host, all
workloads: {max: 50}
"""
OFFICE = model.Path("office-firewall", Direction.OUTBOUND, ("10.0.0.0/8",), 3600.0, OnTimeout.DROP)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """
    Where a test may write a config file.
    """
    return tmp_path / "config.yml"


def complaint(file: Path, content: str | bytes) -> str:
    """
    What load() says of a file with this content, the file's name shortened to FILE.
    """
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError) as error:
        load(file)
    return str(error.value).replace(str(file), "FILE")


def test_defaults() -> None:
    """
    Without a file the exporter has profile azure and the values that the docs name.
    """
    config = load(None)
    assert config == Config()
    assert config.paths == PROFILES[Profile.AZURE]
    assert config.recommended.model_dump() == {"time": 120, "interval": 30, "probes": 8}
    assert config.sampling.model_dump() == {"interval": 15, "max_duty_cycle": 0.1}
    assert (config.near_limit_ratio, config.namespaces, config.workloads.max) == (0.75, "host", 50)


@pytest.mark.parametrize("content", ["", "# nothing\n", "{}", "---\n"])
def test_empty_file(file: Path, content: str) -> None:
    """
    A file that says nothing leaves the defaults.
    """
    file.write_text(content)
    assert load(file) == Config()


def documented_example() -> str:
    """
    The example in docs/configuration.md.
    """
    text = (ROOT / "docs" / "configuration.md").read_text()
    _, _, rest = text.partition("```yaml\n")
    return rest.partition("```")[0]


@pytest.mark.parametrize("content", [EXAMPLE, documented_example()], ids=["design", "docs"])
def test_example(file: Path, content: str) -> None:
    """
    The documented examples load: the defaults, with one path before the profile's.
    """
    file.write_text(content)
    config = load(file)
    assert config.paths == (OFFICE, *PROFILES[Profile.AZURE])
    assert config.model_copy(update={"own_paths": []}) == Config()


def test_shortest_path(file: Path) -> None:
    """
    A path needs a name and a timeout; it then takes any connection, and drops it.
    """
    file.write_text("profile: none\npaths: [{name: vpn, idle_timeout: 90s}]")
    assert load(file).paths == (model.Path("vpn", Direction.ANY, ("any",), 90.0, OnTimeout.DROP),)


def test_single_remote(file: Path) -> None:
    """
    One remote need not stand in a list.
    """
    file.write_text("paths: [{name: vpn, remote: private, idle_timeout: 90s}]")
    assert load(file).paths[0].remote == ("private",)


def test_yaml_merge(file: Path) -> None:
    """
    YAML's anchors and merge keys work; a key of its own comes before a merged one.
    """
    file.write_text(
        "paths:\n"
        "  - &vpn {name: vpn, direction: outbound, remote: 10.0.0.0/8, idle_timeout: 1h}\n"
        "  - {<<: *vpn, name: vpn-inbound, direction: inbound}\n"
    )
    first, second, *_ = load(file).paths
    assert (first.name, first.direction) == ("vpn", Direction.OUTBOUND)
    assert (second.name, second.direction) == ("vpn-inbound", Direction.INBOUND)
    assert first.remote == second.remote == ("10.0.0.0/8",)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("350s", 350), ("4m", 240), ("1h", 3600), ("1d", 86400), ("1h30m", 5400), ("500ms", 0.5)],
)
def test_durations(text: str, seconds: float) -> None:
    """
    Durations are written as Prometheus writes them.
    """
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value",
    [
        *(4, 4.0, None, True, ["4m"], "", "4", "m", "4 m", "1h ", "-4m", "+4m", "4M", "4min"),
        *(
            "1.5h",
            "30m1h",
            "4m4m",
            "\N{ARABIC-INDIC DIGIT FOUR}m",
            "9" * 400 + "d",
            "9" * 5000 + "s",
        ),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_bad_durations(value: object) -> None:
    """
    Anything else is no duration, and the message says what one looks like.
    """
    with pytest.raises(ValueError, match=r"is no duration; write it like 350s, 4m, 1h30m or 500ms"):
        parse_duration(value)


def in_path(entry: str) -> str:
    """
    A file with one path that has this entry besides its name and timeout.
    """
    return f"paths: [{{name: vpn, idle_timeout: 4m, {entry}}}]"


SECTIONS = "profile, paths, recommended, near_limit_ratio, sampling, namespaces, workloads"
PROFILE_NAMES = "'azure', 'azure-nat-gateway', 'aks', 'aws', 'gcp' or 'none'"
DURATION = "is no duration; write it like 350s, 4m, 1h30m or 500ms"
NETWORKS = "allowed are networks like 10.0.0.0/8 and public, private, any"
NAMES = "use up to 63 of a-z, 0-9, '.', '_' and '-', but not 'none'"
PATH_KEYS = "name, direction, remote, idle_timeout, on_timeout"

UNUSABLE = {
    "profil: azure": f"profil: unknown key; allowed are {SECTIONS}",
    "recommended: {times: 120s}": (
        "recommended.times: unknown key; allowed are time, interval, probes"
    ),
    in_path("timeout: 4m"): f"paths[0].timeout: unknown key; allowed are {PATH_KEYS}",
    "1: 2": "[1]: Keys should be strings, not 1",
    "profile: oracle": f"profile: Input should be {PROFILE_NAMES}, not 'oracle'",
    "profile: [azure]": f"profile: Input should be {PROFILE_NAMES}, not ['azure']",
    "namespaces: some": "namespaces: Input should be 'host' or 'all', not 'some'",
    "sampling: 5": "sampling: must hold keys and values; allowed are interval, max_duty_cycle",
    "sampling:": "sampling: must hold keys and values; allowed are interval, max_duty_cycle",
    "sampling: {interval: 15}": f"sampling.interval: 15 {DURATION}",
    "sampling: {interval: 0s}": "sampling.interval: must be longer than 0s",
    "sampling: {max_duty_cycle: 2}": (
        "sampling.max_duty_cycle: Input should be less than or equal to 1, not 2"
    ),
    "sampling: {max_duty_cycle: yes}": (
        "sampling.max_duty_cycle: Input should be a valid number, not True"
    ),
    "sampling: {max_duty_cycle: '0.1'}": (
        "sampling.max_duty_cycle: Input should be a valid number, not '0.1'"
    ),
    "near_limit_ratio: 1": "near_limit_ratio: Input should be less than 1, not 1",
    "near_limit_ratio: .nan": "near_limit_ratio: Input should be less than 1, not nan",
    "recommended: {probes: 0}": (
        "recommended.probes: Input should be greater than or equal to 1, not 0"
    ),
    "recommended: {probes: '8'}": "recommended.probes: Input should be a valid integer, not '8'",
    "recommended: {probes: true}": "recommended.probes: Input should be a valid integer, not True",
    "workloads: {max: 1001}": (
        "workloads.max: Input should be less than or equal to 1000, not 1001"
    ),
    "paths:": "paths: Input should be a valid list, not None",
    "paths: [vpn]": f"paths[0]: must hold keys and values; allowed are {PATH_KEYS}",
    "paths: [{}]": "paths[0].name: is required\nFILE: paths[0].idle_timeout: is required",
    "paths: [{name: A, idle_timeout: 4m}]": f"paths[0].name: 'A' is no path name; {NAMES}",
    "paths: [{name: none, idle_timeout: 4m}]": f"paths[0].name: 'none' is no path name; {NAMES}",
    "paths: [{name: 7, idle_timeout: 4m}]": "paths[0].name: Input should be a valid string, not 7",
    "paths: [{name: a, idle_timeout: 4m}, {name: a, idle_timeout: 5m}]": (
        "two paths are named 'a'; names must differ, from those of profile azure too"
    ),
    "paths: [{name: azure-inbound, idle_timeout: 4m}]": (
        "two paths are named 'azure-inbound'; names must differ, from those of profile azure too"
    ),
    f"paths: [{', '.join(f'{{name: p{n}, idle_timeout: 4m}}' for n in range(33))}]": (
        "paths: List should have at most 32 items after validation, not 33"
    ),
    in_path("direction: both"): (
        "paths[0].direction: Input should be 'inbound', 'outbound' or 'any', not 'both'"
    ),
    in_path("on_timeout: rst"): (
        "paths[0].on_timeout: Input should be 'drop' or 'reset', not 'rst'"
    ),
    in_path("remote: 10.0.0.1/8"): f"paths[0].remote: 10.0.0.1/8 has host bits set; {NETWORKS}",
    in_path("remote: [10.0.0.0/33]"): (
        f"paths[0].remote: '10.0.0.0/33' does not appear to be an IPv4 or IPv6 network; {NETWORKS}"
    ),
    in_path("remote: [public, 5]"): (
        f"paths[0].remote: '5' does not appear to be an IPv4 or IPv6 network; {NETWORKS}"
    ),
    in_path("remote: [true]"): (
        f"paths[0].remote: 'True' does not appear to be an IPv4 or IPv6 network; {NETWORKS}"
    ),
    in_path("remote: []"): (
        "paths[0].remote: [] is no list of networks; write it like [10.0.0.0/8, public]"
    ),
    "- azure": "must hold keys and values, but holds a list",
    "azure": "must hold keys and values, but holds a str",
}


@pytest.mark.parametrize(("content", "message"), UNUSABLE.items(), ids=[*UNUSABLE])
def test_unusable(file: Path, content: str, message: str) -> None:
    """
    Each problem is a line with the file, the key and what is allowed.
    """
    assert complaint(file, content) == f"FILE: {message}"


@pytest.mark.parametrize(
    ("name", "reason"), [(".", "Is a directory"), ("absent.yml", "No such file or directory")]
)
def test_unreadable(tmp_path: Path, name: str, reason: str) -> None:
    """
    A file that cannot be read is named with the reason.
    """
    file = tmp_path / name
    with pytest.raises(ConfigError) as error:
        load(file)
    assert str(error.value) == f"{file}: cannot be read: {reason}"


def test_command_refuses_bad_file(file: Path) -> None:
    """
    The command ends with exit code 2, says every problem and nothing else.
    """
    file.write_text("profile: oracle\nsampling: {interval: 15}\n")
    ended = run_exporter(f"--config.file={file}")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"Error: {file}: profile: Input should be {PROFILE_NAMES}, not 'oracle'\n"
        f"{file}: sampling.interval: 15 {DURATION}\n"
    )


def test_command_without_its_file(tmp_path: Path) -> None:
    """
    A config file that is not there ends the command with exit code 2.
    """
    file = tmp_path / "absent.yml"
    ended = run_exporter(f"--config.file={file}")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"Error: {file}: cannot be read: No such file or directory\n"

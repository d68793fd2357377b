"""
The config file: valid content, and the errors of invalid content.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter import model
from exporter.config.schema import Config, ConfigError, load, parse_duration
from exporter.model import Direction, OnTimeout, Role
from exporter.paths.choice import paths_of
from exporter.paths.profiles import PROFILES, Profile
from tests.exporter_process import ROOT, run_exporter

EXAMPLE = """
profile: auto              # auto, azure, azure-nat-gateway, azure-firewall, aks, aws, gcp, ...
paths:                     # instead of the profile's, for the connections they match
  - {name: office-firewall, direction: outbound, remote: [10.0.0.0/8], idle_timeout: 1h,
     on_timeout: drop}
recommended: {time: 120s, interval: 30s, probes: 8}
near_limit_ratio: 0.75
sampling: {interval: 15s, max_duty_cycle: 0.1}
namespaces: host           # host, all
workloads: {max: 50}
"""
OFFICE = model.Path(
    "office-firewall", Direction.OUTBOUND, ("10.0.0.0/8",), 3600.0, OnTimeout.DROP, Role.REPLACES
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """
    The path of a config file to be written.
    """
    return tmp_path / "config.yml"


def error_of(file: Path, content: str) -> str:
    """
    The message of the ConfigError for this content, with the file's path replaced by FILE.
    """
    file.write_text(content)
    with pytest.raises(ConfigError) as error:
        load(file)
    return str(error.value).replace(str(file), "FILE")


def test_defaults() -> None:
    """
    Without a file and a detected cloud, the configuration has the paths of azure and the documented
    values.
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
    An empty file gives the defaults.
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
    The documented examples are the defaults, with one path before the profile's.
    """
    file.write_text(content)
    config = load(file)
    own, *others = config.paths
    assert replace(own, snat_ports=None) == OFFICE
    assert tuple(others) == PROFILES[Profile.AZURE]
    assert config.model_copy(update={"own_paths": []}) == Config()


@pytest.mark.parametrize(
    ("profile", "names"),
    [
        ("aws-nat-gateway", ["aws-nat-gateway", "aws-nlb"]),
        ("[azure, ipvs]", ["azure-outbound", "azure-inbound", "ipvs"]),
        ("[auto, ipvs]", ["azure-outbound", "azure-inbound", "ipvs"]),
        ("[azure, aks]", ["azure-outbound", "azure-inbound", "aks-outbound"]),
        ("[aws-eni, aws]", ["aws-eni", "aws-nat-gateway", "aws-nlb"]),
        ("[none]", []),
    ],
)
def test_profiles(file: Path, profile: str, names: list[str]) -> None:
    """
    A list of profiles has the paths of all of them, each once.
    """
    file.write_text(f"profile: {profile}")
    assert [path.name for path in load(file).paths] == names


def test_also_and_snat_ports(file: Path) -> None:
    """
    With `also`, a path is added to the profile's. snat_ports is optional.
    """
    file.write_text(
        "paths: [{name: a, idle_timeout: 4m, also: true, snat_ports: 64},"
        " {name: b, idle_timeout: 4m}]"
    )
    added, replacing, *_ = load(file).paths
    assert (added.role, added.snat_ports) == (Role.ADDS, 64)
    assert (replacing.role, replacing.snat_ports) == (Role.REPLACES, None)


def test_built_in_names_are_consistent() -> None:
    """
    A path name has the same meaning in all profiles, and all of them can be in one list.
    """
    every = paths_of(PROFILES)
    assert len({path.name for path in every}) == len(every)
    assert set(PROFILES) == set(Profile) - {Profile.AUTO}


def test_shortest_path(file: Path) -> None:
    """
    A path with only a name and a timeout matches any connection, and drops on timeout.
    """
    file.write_text("profile: none\npaths: [{name: vpn, idle_timeout: 90s}]")
    vpn = model.Path("vpn", Direction.ANY, ("any",), 90.0, OnTimeout.DROP)
    assert load(file).paths == (vpn,)


def test_single_remote(file: Path) -> None:
    """
    A single remote may be written without a list.
    """
    file.write_text("paths: [{name: vpn, remote: private, idle_timeout: 90s}]")
    assert load(file).paths[0].remote == ("private",)


def test_yaml_merge(file: Path) -> None:
    """
    YAML's anchors and merge keys work; an explicit key overrides a merged one.
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
    Durations have Prometheus' format.
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
    Any other value is an error with the value and examples of durations.
    """
    with pytest.raises(ValueError, match="350s, 4m, 1h30m, 500ms") as error:
        parse_duration(value)
    assert str(error.value).startswith(f"{value!r} ")


def in_path(entry: str) -> str:
    """
    A file with one path that has a name, a timeout and this entry.
    """
    return f"paths: [{{name: vpn, idle_timeout: 4m, {entry}}}]"


SECTIONS = "profile, paths, recommended, near_limit_ratio, sampling, namespaces, workloads"
PROFILE_NAMES = "allowed: auto, azure, azure-nat-gateway, azure-firewall, aks, aws, "
DURATIONS = "350s, 4m, 1h30m, 500ms"
NETWORKS = "10.0.0.0/8, public, private, any"
NAMES = "63 characters a-z, 0-9, '.', '_', '-'"
PATH_KEYS = "name, direction, remote, idle_timeout, on_timeout, also, snat_ports"

UNUSABLE = {
    "profil: azure": ("profil", "unknown key", SECTIONS),
    "recommended: {times: 120s}": ("recommended.times", "unknown key", "time, interval, probes"),
    in_path("timeout: 4m"): ("paths[0].timeout", "unknown key", PATH_KEYS),
    "1: 2": ("[1]", "should be strings", "not 1"),
    "profile: oracle": ("profile", "unknown profile 'oracle'", PROFILE_NAMES),
    "profile: [azure, ipvs, swarm]": ("profile", "unknown profile 'swarm'", PROFILE_NAMES),
    "profile: [azure, 1]": ("profile", "unknown profile 1", PROFILE_NAMES),
    "profile: [[azure]]": ("profile", "unknown profile ['azure']", PROFILE_NAMES),
    "profile: {azure: 240s}": ("profile", "unknown profile {'azure': '240s'}", PROFILE_NAMES),
    "profile:": ("profile", "unknown profile None", PROFILE_NAMES),
    "profile: []": ("profile", "no profile", PROFILE_NAMES, "list of them"),
    "profile: [aws, azure, aws]": ("profile", "duplicate profile 'aws'"),
    "profile: [none, azure]": ("profile", "'none' cannot be combined"),
    "profile: [auto, none]": ("profile", "'none' cannot be combined"),
    in_path("also: 1"): ("paths[0].also", "valid boolean, not 1"),
    in_path("snat_ports: 0"): ("paths[0].snat_ports", "greater than or equal to 1, not 0"),
    in_path("snat_ports: 64k"): ("paths[0].snat_ports", "valid integer, not '64k'"),
    in_path("snat_ports: 10000001"): ("paths[0].snat_ports", "10000000, not 10000001"),
    in_path("snat_ports: 1.5"): ("paths[0].snat_ports", "not 1.5"),
    "namespaces: some": ("namespaces", "'host' or 'all'", "not 'some'"),
    "sampling: 5": ("sampling", "mapping", "interval, max_duty_cycle"),
    "sampling:": ("sampling", "mapping", "interval, max_duty_cycle"),
    "sampling: {interval: 15}": ("sampling.interval", "15 ", DURATIONS),
    "sampling: {interval: 0s}": ("sampling.interval", "1ms"),
    "sampling: {max_duty_cycle: 2}": (
        "sampling.max_duty_cycle",
        "less than or equal to 1, not 2",
    ),
    "sampling: {max_duty_cycle: yes}": ("sampling.max_duty_cycle", "valid number, not True"),
    "sampling: {max_duty_cycle: '0.1'}": ("sampling.max_duty_cycle", "valid number, not '0.1'"),
    "near_limit_ratio: 1": ("near_limit_ratio", "less than 1, not 1"),
    "near_limit_ratio: .nan": ("near_limit_ratio", "less than 1, not nan"),
    "recommended: {probes: 0}": ("recommended.probes", "greater than or equal to 1, not 0"),
    "recommended: {probes: '8'}": ("recommended.probes", "valid integer, not '8'"),
    "recommended: {probes: true}": ("recommended.probes", "valid integer, not True"),
    "workloads: {max: 1001}": ("workloads.max", "less than or equal to 1000, not 1001"),
    "paths:": ("paths", "valid list, not None"),
    "paths: [vpn]": ("paths[0]", "mapping", PATH_KEYS),
    "paths: [{name: A, idle_timeout: 4m}]": ("paths[0].name", "'A' ", NAMES, "except 'none'"),
    "paths: [{name: none, idle_timeout: 4m}]": ("paths[0].name", "'none' ", NAMES),
    "paths: [{name: 7, idle_timeout: 4m}]": ("paths[0].name", "valid string, not 7"),
    "paths: [{name: a, idle_timeout: 4m}, {name: a, idle_timeout: 5m}]": (
        "",
        "duplicate path name 'a'",
    ),
    "paths: [{name: azure-inbound, idle_timeout: 4m}]": (
        "",
        "duplicate path name 'azure-inbound'",
        "profile auto",
    ),
    "profile: [aws-nat-gateway, ipvs]\npaths: [{name: ipvs, idle_timeout: 4m}]": (
        "",
        "duplicate path name 'ipvs'",
        "profile aws-nat-gateway, ipvs",
    ),
    f"paths: [{', '.join(f'{{name: p{n}, idle_timeout: 4m}}' for n in range(33))}]": (
        "paths",
        "at most 32 items",
        "not 33",
    ),
    in_path("direction: both"): (
        "paths[0].direction",
        "'inbound', 'outbound' or 'any', not 'both'",
    ),
    in_path("on_timeout: rst"): ("paths[0].on_timeout", "'drop' or 'reset', not 'rst'"),
    in_path("remote: 10.0.0.1/8"): ("paths[0].remote", "10.0.0.1/8 has host bits set", NETWORKS),
    in_path("remote: [10.0.0.0/33]"): ("paths[0].remote", "'10.0.0.0/33'", NETWORKS),
    in_path("remote: [public, 5]"): ("paths[0].remote", "'5'", NETWORKS),
    in_path("remote: [true]"): ("paths[0].remote", "'True'", NETWORKS),
    in_path("remote: []"): ("paths[0].remote", "[] ", "[10.0.0.0/8, public]"),
    "- azure": ("", "mapping, not a list", SECTIONS),
    "azure": ("", "mapping, not a str", SECTIONS),
}
"""Invalid content, by content: the key, and what the message must contain."""


@pytest.mark.parametrize(
    ("content", "place", "facts"),
    [(content, place, facts) for content, (place, *facts) in UNUSABLE.items()],
    ids=[*UNUSABLE],
)
def test_unusable(file: Path, content: str, place: str, facts: list[str]) -> None:
    """
    The error is one line with the file, the key, the value and the allowed values.
    """
    message = error_of(file, content)
    assert message.startswith(f"FILE: {place}: " if place else "FILE: ")
    assert [fact for fact in facts if fact not in message] == []
    assert "\n" not in message


def test_missing_keys(file: Path) -> None:
    """
    Each missing key is a line with the file and the key.
    """
    first, second = error_of(file, "paths: [{}]").splitlines()
    assert first.startswith("FILE: paths[0].name: ")
    assert second.startswith("FILE: paths[0].idle_timeout: ")
    assert "required" in first
    assert "required" in second


@pytest.mark.parametrize(
    ("name", "reason"), [(".", "Is a directory"), ("absent.yml", "No such file or directory")]
)
def test_unreadable(tmp_path: Path, name: str, reason: str) -> None:
    """
    The error of a file that cannot be read has the file and the reason.
    """
    file = tmp_path / name
    with pytest.raises(ConfigError) as error:
        load(file)
    assert str(error.value) == f"{file}: cannot be read: {reason}"


@pytest.mark.system
def test_command_rejects_bad_file(file: Path) -> None:
    """
    The command exits with code 2 and prints one line per problem, and nothing else.
    """
    file.write_text("profile: oracle\nsampling: {interval: 15}\n")
    ended = run_exporter(f"--config.file={file}")
    assert (ended.returncode, ended.stdout) == (2, "")
    first, second = ended.stderr.splitlines()
    assert first.startswith(f"Error: {file}: profile: ")
    assert PROFILE_NAMES in first
    assert second.startswith(f"{file}: sampling.interval: 15 ")
    assert second.endswith(DURATIONS)


@pytest.mark.system
def test_command_without_its_file(tmp_path: Path) -> None:
    """
    If the config file does not exist, the command exits with code 2.
    """
    file = tmp_path / "absent.yml"
    ended = run_exporter(f"--config.file={file}")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"Error: {file}: cannot be read: No such file or directory\n"

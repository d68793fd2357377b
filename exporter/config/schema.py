"""
The schema of the config file. Every error has the file, the key and the allowed values.
"""

import ipaddress
import os
import re
import socket
from collections import Counter
from pathlib import Path as FilePath
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from exporter.config.yaml_file import ConfigError, Section, read_yaml
from exporter.model import NO_PATH, Direction, OnTimeout, Path, Recommended, Role
from exporter.paths.choice import ChosenProfile, choose, paths_of
from exporter.paths.cloud import DetectedCloud
from exporter.paths.detection import detect_cloud
from exporter.paths.matching import REMOTE_WORDS
from exporter.paths.profiles import PROFILES, Profile

__all__ = ["Config", "ConfigError", "Namespaces", "load", "parse_duration"]

Namespaces = Literal["host", "all"]

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile("".join(rf"(?:([0-9]{{1,9}}){unit})?" for unit in _UNITS))
_RECOMMENDED = Recommended()
_MAX_PATHS = 32
"""Each path adds about 40 series."""
_MOST_PORTS = 10_000_000
"""A NAT gateway with 16 addresses has about one million."""


def parse_duration(value: object) -> float:
    """
    The seconds of a duration in Prometheus' format: 4m, 350s, 1h30m, 500ms. Raises ValueError.
    """
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if not value or match is None:
        raise ValueError(f"{value!r} is not a duration; examples: 350s, 4m, 1h30m, 500ms")
    numbers = (int(group or 0) for group in match.groups())
    return sum(number * unit for number, unit in zip(numbers, _UNITS.values(), strict=True))


def _remote(value: object) -> tuple[str, ...]:
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{value!r} is not a list of networks; example: [10.0.0.0/8, public]")
    for entry in entries:
        if entry in REMOTE_WORDS:
            continue
        try:
            # As text, because ip_network() interprets a number as an address.
            ipaddress.ip_network(str(entry))
        except ValueError as error:
            words = ", ".join(REMOTE_WORDS)
            raise ValueError(f"{error}; allowed: networks such as 10.0.0.0/8, {words}") from None
    return tuple(map(str, entries))


def _path_name(value: str) -> str:
    if value == NO_PATH or not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", value):
        raise ValueError(
            f"{value!r} is not a path name; allowed: up to 63 characters a-z, 0-9, '.', '_', '-',"
            f" the first one a letter or digit, except {NO_PATH!r}"
        )
    return value


def _profiles(value: object) -> tuple[Profile, ...]:
    names = value if isinstance(value, list) else [value]
    allowed = ", ".join(Profile)
    unknown = [name for name in names if name not in list(Profile)]
    if unknown or not names:
        what = f"unknown profile {unknown[0]!r}" if unknown else "no profile"
        raise ValueError(f"{what}; allowed: {allowed}, or a list of them")
    profiles = tuple(map(Profile, names))
    for profile, times in Counter(profiles).items():
        if times > 1:
            raise ValueError(f"duplicate profile {str(profile)!r}; each may occur once")
    if Profile.NONE in profiles and len(profiles) > 1:
        raise ValueError(f"'none' cannot be combined with other profiles; allowed: {allowed}")
    return profiles


def _at_least_1ms(value: float) -> float:
    if value < _UNITS["ms"]:
        raise ValueError("must be at least 1ms")
    return value


Duration = Annotated[float, BeforeValidator(parse_duration), AfterValidator(_at_least_1ms)]


class PathSection(Section):
    """
    A path defined in the file.
    """

    name: Annotated[str, AfterValidator(_path_name)]
    direction: Annotated[Direction, Field(strict=False)] = Direction.ANY
    remote: Annotated[tuple[str, ...], BeforeValidator(_remote)] = ("any",)
    idle_timeout: Duration
    on_timeout: Annotated[OnTimeout, Field(strict=False)] = OnTimeout.DROP
    also: bool = False
    snat_ports: Annotated[int, Field(ge=1, le=_MOST_PORTS)] | None = None

    @property
    def path(self) -> Path:
        """
        The path.
        """
        return Path(
            self.name,
            self.direction,
            self.remote,
            self.idle_timeout,
            self.on_timeout,
            Role.ADDS if self.also else Role.REPLACES,
            self.snat_ports,
        )


class RecommendedSection(Section):
    """
    The settings that a host's settings are compared with.
    """

    time: Duration = _RECOMMENDED.time
    interval: Duration = _RECOMMENDED.interval
    probes: Annotated[int, Field(ge=1, le=255)] = _RECOMMENDED.probes


class SamplingSection(Section):
    """
    Time between samples, and the maximum fraction of time that sampling may take.
    """

    interval: Duration = 15.0
    max_duty_cycle: Annotated[float, Field(gt=0, le=1)] = 0.1


class WorkloadsSection(Section):
    """
    The maximum number of workloads with their own series.
    """

    max: Annotated[int, Field(ge=0, le=1000)] = 50


class Config(Section):
    """
    The complete configuration, with defaults.
    """

    profile: Annotated[tuple[Profile, ...], BeforeValidator(_profiles)] = (Profile.AUTO,)
    own_paths: list[PathSection] = Field(default=[], alias="paths", max_length=_MAX_PATHS)
    recommended: RecommendedSection = RecommendedSection()
    near_limit_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.75
    sampling: SamplingSection = SamplingSection()
    namespaces: Namespaces = "host"
    workloads: WorkloadsSection = WorkloadsSection()
    _cloud: DetectedCloud = DetectedCloud()

    @property
    def chosen_profile(self) -> ChosenProfile:
        """
        The profile in force on this host.
        """
        return choose(self.profile, self._cloud)

    @property
    def paths(self) -> tuple[Path, ...]:
        """
        All paths in force on this host: those in the file, then the profile's.
        """
        return (*(own.path for own in self.own_paths), *self.chosen_profile.paths)

    def on(self, cloud: DetectedCloud) -> "Config":
        """
        The same configuration on a host in this cloud.
        """
        config = self.model_copy()
        config._cloud = cloud  # noqa: SLF001  of this class
        return config

    @model_validator(mode="after")
    def _names_differ(self) -> "Config":
        # The same file is valid on every host, whichever cloud is detected there.
        possible = PROFILES if Profile.AUTO in self.profile else self.profile
        seen = {path.name for path in paths_of(possible)}
        for own in self.own_paths:
            if own.name in seen:
                raise ValueError(
                    f"duplicate path name {own.name!r}; names must be unique, including those of"
                    f" profile {', '.join(self.profile)}"
                )
            seen.add(own.name)
        return self


def load(
    file: FilePath | None, namespaces: Namespaces | None = None, sysfs: FilePath | None = None
) -> Config:
    """
    The configuration in the file, or the defaults if file is None. Raises ConfigError.

    namespaces, if given, overrides the file's value. The cloud is detected from the files in sysfs;
    without it, none is.
    """
    config = Config() if file is None else read_yaml(file, Config)
    if namespaces is not None:
        config = config.model_copy(update={"namespaces": namespaces})
    return config if sysfs is None else config.on(detect_cloud(sysfs, _node_name()))


def _node_name() -> str:
    """
    The name of the Kubernetes node, which the chart passes, or of this host.
    """
    return os.environ.get("NODE_NAME") or socket.gethostname()

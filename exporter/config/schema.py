"""
The config file, validated: every error names the file, the key and what is allowed.
"""

import ipaddress
import re
from pathlib import Path as FilePath
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from exporter.config.yaml_file import ConfigError, Section, read_yaml
from exporter.model import NO_PATH, Direction, OnTimeout, Path, Recommended
from exporter.paths.matching import PROFILES, REMOTE_WORDS, Profile

__all__ = ["Config", "ConfigError", "Namespaces", "load", "parse_duration"]

Namespaces = Literal["host", "all"]

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile("".join(rf"(?:([0-9]{{1,9}}){unit})?" for unit in _UNITS))
_RECOMMENDED = Recommended()
_MAX_PATHS = 32
"""Each path costs some 40 series."""


def parse_duration(value: object) -> float:
    """
    Seconds of a duration as Prometheus writes it: 4m, 350s, 1h30m, 500ms.
    """
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if not value or match is None:
        raise ValueError(f"{value!r} is no duration; write it like 350s, 4m, 1h30m or 500ms")
    numbers = (int(group or 0) for group in match.groups())
    return sum(number * unit for number, unit in zip(numbers, _UNITS.values(), strict=True))


def _remote(value: object) -> tuple[str, ...]:
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{value!r} is no list of networks; write it like [10.0.0.0/8, public]")
    for entry in entries:
        if entry in REMOTE_WORDS:
            continue
        try:
            # As text: ip_network() takes numbers for addresses.
            ipaddress.ip_network(str(entry))
        except ValueError as error:
            words = ", ".join(REMOTE_WORDS)
            raise ValueError(f"{error}; allowed are networks like 10.0.0.0/8 and {words}") from None
    return tuple(map(str, entries))


def _path_name(value: str) -> str:
    if value == NO_PATH or not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", value):
        raise ValueError(
            f"{value!r} is no path name; use up to 63 of a-z, 0-9, '.', '_' and '-', but not"
            f" {NO_PATH!r}"
        )
    return value


def _at_least_1ms(value: float) -> float:
    if value < _UNITS["ms"]:
        raise ValueError("must be longer than 0s")
    return value


Duration = Annotated[float, BeforeValidator(parse_duration), AfterValidator(_at_least_1ms)]


class PathEntry(Section):
    """
    One of the file's own paths.
    """

    name: Annotated[str, AfterValidator(_path_name)]
    direction: Annotated[Direction, Field(strict=False)] = Direction.ANY
    remote: Annotated[tuple[str, ...], BeforeValidator(_remote)] = ("any",)
    idle_timeout: Duration
    on_timeout: Annotated[OnTimeout, Field(strict=False)] = OnTimeout.DROP


class RecommendedEntry(Section):
    """
    The settings to compare a host's with.
    """

    time: Duration = _RECOMMENDED.time
    interval: Duration = _RECOMMENDED.interval
    probes: Annotated[int, Field(ge=1, le=255)] = _RECOMMENDED.probes


class Sampling(Section):
    """
    How often the kernel is asked, and for what part of the time at most.
    """

    interval: Duration = 15.0
    max_duty_cycle: Annotated[float, Field(gt=0, le=1)] = 0.1


class Workloads(Section):
    """
    How many workloads get series of their own.
    """

    max: Annotated[int, Field(ge=0, le=1000)] = 50


class Config(Section):
    """
    The whole file, with its defaults.
    """

    profile: Annotated[Profile, Field(strict=False)] = Profile.AZURE
    own_paths: list[PathEntry] = Field(default=[], alias="paths", max_length=_MAX_PATHS)
    recommended: RecommendedEntry = RecommendedEntry()
    near_limit_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.75
    sampling: Sampling = Sampling()
    namespaces: Namespaces = "host"
    workloads: Workloads = Workloads()

    @property
    def paths(self) -> tuple[Path, ...]:
        """
        All paths in order of precedence: the file's own, then the profile's.
        """
        own = (
            Path(path.name, path.direction, path.remote, path.idle_timeout, path.on_timeout)
            for path in self.own_paths
        )
        return (*own, *PROFILES[self.profile])

    @model_validator(mode="after")
    def _names_differ(self) -> "Config":
        seen: set[str] = set()
        for path in self.paths:
            if path.name in seen:
                raise ValueError(
                    f"two paths are named {path.name!r}; names must differ, from those of profile"
                    f" {self.profile} too"
                )
            seen.add(path.name)
        return self


def load(file: FilePath | None, namespaces: Namespaces | None = None) -> Config:
    """
    The configuration in the file; the defaults where there is none. Raises ConfigError.

    namespaces, if given, takes the place of the file's.
    """
    config = Config() if file is None else read_yaml(file, Config)
    return config if namespaces is None else config.model_copy(update={"namespaces": namespaces})

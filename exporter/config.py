"""
The config file, validated: every error names the file, the key and what is allowed.
"""

import ipaddress
import re
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from exporter.model import NO_PATH, Direction, OnTimeout, Path, Recommended
from exporter.paths import PROFILES, REMOTE_WORDS, Profile

Namespaces = Literal["host", "all"]

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile("".join(rf"(?:([0-9]{{1,9}}){unit})?" for unit in _UNITS))
_RECOMMENDED = Recommended()
_MAX_PATHS = 32
"""Each path costs some 40 series."""


class ConfigError(Exception):
    """
    The configuration cannot be used; the message says where and what is allowed.
    """


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


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PathEntry(_Section):
    """
    One of the file's own paths.
    """

    name: Annotated[str, AfterValidator(_path_name)]
    direction: Annotated[Direction, Field(strict=False)] = Direction.ANY
    remote: Annotated[tuple[str, ...], BeforeValidator(_remote)] = ("any",)
    idle_timeout: Duration
    on_timeout: Annotated[OnTimeout, Field(strict=False)] = OnTimeout.DROP


class RecommendedEntry(_Section):
    """
    The settings to compare a host's with.
    """

    time: Duration = _RECOMMENDED.time
    interval: Duration = _RECOMMENDED.interval
    probes: Annotated[int, Field(ge=1, le=255)] = _RECOMMENDED.probes


class Sampling(_Section):
    """
    How often the kernel is asked, and for what part of the time at most.
    """

    interval: Duration = 15.0
    max_duty_cycle: Annotated[float, Field(gt=0, le=1)] = 0.1


class Workloads(_Section):
    """
    How many workloads get series of their own.
    """

    max: Annotated[int, Field(ge=0, le=1000)] = 50


class Config(_Section):
    """
    The whole file, with its defaults.
    """

    profile: Annotated[Profile, Field(strict=False)] = Profile.AZURE
    own_paths: Annotated[list[PathEntry], Field(alias="paths", max_length=_MAX_PATHS)] = []
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


def load(file: FilePath | None) -> Config:
    """
    The configuration in the file; the defaults where there is none. Raises ConfigError.
    """
    if file is None:
        return Config()
    try:
        with file.open(encoding="utf-8") as stream:
            content = yaml.load(stream, _Loader)  # noqa: S506  it is a SafeLoader
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 text: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: is not valid YAML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{file}: is not valid YAML: it is nested too deeply") from error
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"{file}: must hold keys and values, but holds a {type(content).__name__}"
        )
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        problems = "\n".join(f"{file}: {_describe(problem)}" for problem in error.errors())
        raise ConfigError(problems) from error


class _Loader(yaml.SafeLoader):
    """
    Refuses a key that stands twice, of which plain YAML loaders keep the last without a word, and
    values such as 2020-13-45 and 0b_, on which their constructors stumble.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: list[Any] = []
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key_node.tag == _MERGE_KEY:
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise _yaml_error(f"the key {key!r} stands twice", key_node)
            seen.append(key)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:
            kind = node.tag.rpartition(":")[2]
            raise _yaml_error(f"{node.value!r} is no {kind}", node) from error


_MERGE_KEY = "tag:yaml.org,2002:merge"


def _yaml_error(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _describe(problem: Any) -> str:
    place = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"]
    ).removeprefix(".")
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = f"unknown key; allowed are {', '.join(_allowed_keys(problem['loc'][:-1]))}"
    elif problem["type"] == "missing":
        message = "is required"
    elif problem["type"] == "model_type":
        allowed = ", ".join(_allowed_keys(problem["loc"]))
        message = f"must hold keys and values; allowed are {allowed}"
    elif problem["type"] not in ("value_error", "too_long"):
        message += f", not {problem['input']!r}"
    return f"{place}: {message}" if place else message


def _allowed_keys(section: tuple[int | str, ...]) -> list[str]:
    """
    The keys of the section that a problem's location leads to.
    """
    model: type[BaseModel] = Config
    for part in section:
        if part == "paths":
            model = PathEntry
        elif isinstance(part, str):
            annotation = model.model_fields[part].annotation
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                model = annotation
    return [field.alias or name for name, field in model.model_fields.items()]

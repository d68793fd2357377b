"""
Loading and validation of YAML files. Every error has the file, the key and the allowed values.
"""

from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError


class ConfigError(Exception):
    """
    The configuration is invalid; the message has the place and the allowed values.
    """


class Section(BaseModel):
    """
    A mapping in a file. Its keys are the model's fields; other keys are rejected.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_Section = TypeVar("_Section", bound=Section)


def read_yaml(file: Path, model: type[_Section]) -> _Section:
    """
    The validated content of the file; an empty file gives the defaults. Raises ConfigError.

    The validation context is the file's folder.
    """
    content = _parse(file)
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"{file}: must be a mapping, not a {type(content).__name__}; allowed keys:"
            f" {_allowed_keys(model, ())}"
        )
    try:
        return model.model_validate(content, context=file.parent)
    except ValidationError as error:
        problems = (f"{file}: {_describe(problem, model)}" for problem in error.errors())
        raise ConfigError("\n".join(problems)) from error


def _parse(file: Path) -> object:
    try:
        with file.open(encoding="utf-8") as stream:
            return yaml.load(stream, _Loader)  # noqa: S506  it is a SafeLoader
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 text: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: is not valid YAML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{file}: is not valid YAML: nested too deeply") from error


class _Loader(yaml.SafeLoader):
    """
    Rejects duplicate keys, of which SafeLoader silently keeps the last one, and values such as
    2020-13-45 and 0b_, for which its constructors raise other errors than YAMLError.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: list[Any] = []
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key_node.tag == _MERGE_KEY:
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise _yaml_error(f"duplicate key {key!r}", key_node)
            seen.append(key)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:
            kind = node.tag.rpartition(":")[2]
            raise _yaml_error(f"{node.value!r} is not a valid {kind}", node) from error


_MERGE_KEY = "tag:yaml.org,2002:merge"


def _yaml_error(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _describe(problem: Any, model: type[BaseModel]) -> str:
    place = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"]
    ).removeprefix(".")
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = f"unknown key; allowed: {_allowed_keys(model, problem['loc'][:-1])}"
    elif problem["type"] == "missing":
        message = "is required"
    elif problem["type"] == "model_type":
        allowed = _allowed_keys(model, problem["loc"])
        message = f"must be a mapping; allowed keys: {allowed}"
    elif problem["type"] not in ("value_error", "too_long"):
        message += f", not {problem['input']!r}"
    return f"{place}: {message}" if place else message


def _allowed_keys(model: type[BaseModel], section: tuple[int | str, ...]) -> str:
    """
    The keys of the section at this location.
    """
    for part in section:
        if isinstance(part, str):
            fields = {field.alias or name: field for name, field in model.model_fields.items()}
            annotation = fields[part].annotation
            # A section, a list of sections, or an optional section.
            for candidate in (annotation, *get_args(annotation)):
                if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                    model = candidate
    return ", ".join(field.alias or name for name, field in model.model_fields.items())

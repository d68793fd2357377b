"""
An interpreter for the part of Bicep used in deploy/. No package registry has the compiler.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from tree_sitter import Node

from tests.syntax import bicep

_Scope = Mapping[str, Any]


def resources(file: Path, parameters: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """
    Type and value of each of the file's resources by name, with these parameters.

    Raises KeyError for a missing parameter, variable, function or property.
    """
    known: dict[str, Any] = {
        "loadYamlContent": lambda path: yaml.safe_load((file.parent / path).read_text("utf-8")),
        "map": lambda items, function: [function(item) for item in items],
        "resourceGroup": lambda: {"location": "westeurope"},
        "toUpper": str.upper,
        **parameters,
    }
    found: dict[str, tuple[str, Any]] = {}
    for statement in bicep(file.read_text("utf-8")).named_children:
        if statement.type in ("comment", "decorators"):
            continue
        name, *rest = statement.named_children
        match statement.type:
            case "parameter_declaration" if _text(name) in parameters:
                pass
            case "parameter_declaration" if len(rest) < 2:
                raise KeyError(f"the parameter {_text(name)} has no default")
            case "parameter_declaration" | "variable_declaration":
                known[_text(name)] = _value(rest[-1], known)
            case "resource_declaration":
                kind, body = rest
                found[_text(name)] = (_value(kind, known), _value(body, known))
            case other:
                raise NotImplementedError(other)
    return found


def _text(node: Node) -> str:
    return (node.text or b"").decode()


def _value(node: Node, scope: _Scope) -> Any:
    return _VALUES[node.type](node, scope)


def _string(node: Node, scope: _Scope) -> str:
    return "".join(
        _text(part) if part.type == "string_content" else str(_value(part.named_children[0], scope))
        for part in node.named_children
    )


def _object(node: Node, scope: _Scope) -> dict[str, Any]:
    pairs = [part.named_children for part in node.named_children if part.type != "comment"]
    return {_text(name): _value(value, scope) for name, value in pairs}


def _member(node: Node, scope: _Scope) -> Any:
    value, name = node.named_children
    of = _value(value, scope)
    # `.?` gives null for a missing property.
    return of.get(_text(name)) if node.children[1].type == ".?" else of[_text(name)]


def _subscript(node: Node, scope: _Scope) -> Any:
    value, index = node.named_children
    return _value(value, scope)[_value(index, scope)]


def _coalesce(node: Node, scope: _Scope) -> Any:
    left, right = node.named_children
    if node.children[1].type != "??":
        raise NotImplementedError(_text(node))
    value = _value(left, scope)
    return _value(right, scope) if value is None else value


def _call(node: Node, scope: _Scope) -> Any:
    function, arguments = node.named_children
    return scope[_text(function)](*(_value(each, scope) for each in arguments.named_children))


def _lambda(node: Node, scope: _Scope) -> Callable[[Any], Any]:
    name, body = node.named_children
    return lambda item: _value(body, {**scope, _text(name): item})


def _for(node: Node, scope: _Scope) -> list[Any]:
    name, items, body = node.named_children
    return [_value(body, {**scope, _text(name): item}) for item in _value(items, scope)]


_VALUES: dict[str, Callable[[Node, _Scope], Any]] = {
    "array": lambda node, scope: [_value(each, scope) for each in node.named_children],
    "binary_expression": _coalesce,
    "boolean": lambda node, _: _text(node) == "true",
    "call_expression": _call,
    "for_statement": _for,
    "identifier": lambda node, scope: scope[_text(node)],
    "lambda_expression": _lambda,
    "member_expression": _member,
    "number": lambda node, _: int(_text(node)),
    "object": _object,
    "string": _string,
    "subscript_expression": _subscript,
}

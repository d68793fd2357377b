"""
Syntax checks of PowerShell and Bicep with tree-sitter, without their runtimes.
"""

from collections.abc import Iterator

import tree_sitter_bicep
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser


def powershell(script: str) -> Node:
    """
    Parse a script into its tree. Raises ValueError with the numbers of the invalid lines.
    """
    return _parse(script, tree_sitter_powershell.language())


def bicep(text: str) -> Node:
    """
    Parse a Bicep file into its tree. Raises ValueError with the numbers of the invalid lines.
    """
    return _parse(text, tree_sitter_bicep.language())


def _parse(text: str, language: object) -> Node:
    tree = Parser(Language(language)).parse(text.encode())
    wrong = [
        node.start_point.row + 1
        for node in every(tree.root_node)
        if node.is_error or node.is_missing
    ]
    if wrong:
        raise ValueError(f"lines {wrong} cannot be parsed")
    return tree.root_node


def every(node: Node, kind: str | None = None) -> Iterator[Node]:
    """
    The node and all its descendants, optionally only those of one kind.
    """
    if kind in (None, node.type):
        yield node
    for child in node.children:
        yield from every(child, kind)


def words(node: Node, kind: str) -> list[str]:
    """
    The texts of all nodes of that kind.
    """
    return [(each.text or b"").decode() for each in every(node, kind)]

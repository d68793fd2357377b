"""
The structure that docs/architecture.md describes: layers, platform code, names.
"""

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.exporter_process import ROOT

LAYERS = (
    "text",
    "model",
    "paths",
    "config",
    "linux",
    "windows",
    "analysis",
    "metrics",
    "remedies",
    "collectors",
    "connections",
    "probe",
    "protect",
    "web",
    "cli",
)
"""Packages from the bottom up: each may import those before it."""

PURE = ("text", "model", "analysis")
"""Packages without I/O."""
_IO_MODULES = {"asyncio", "os", "pathlib", "psutil", "signal", "socket", "subprocess", "structlog"}
_READ_HOST = {"exporter.paths.interfaces", "exporter.paths.detection"}
"""What pure packages may not import of exporter.paths."""

CHOOSES_PLATFORM = "exporter.collectors.operating_system"
USES_LINUX = {
    CHOOSES_PLATFORM,
    # Features that exist and are imported only on Linux.
    "exporter.connections.listing",
    "exporter.probe.connection",
    "exporter.probe.idle_period",
    "exporter.probe.tcp_connection",
    "exporter.protect.hanging",
    "exporter.protect.protector",
}
MENTIONS_PLATFORM = {
    CHOOSES_PLATFORM,
    "exporter.cli.connections",  # the message on other platforms
    "exporter.cli.main",  # --version, and the message on other platforms
    "exporter.cli.probe",  # the message on other platforms
    "exporter.cli.reset",  # the message on other platforms
    "exporter.cli.protect",  # the message on other platforms
    "exporter.cli.serve",  # Windows has no SIGHUP
    "exporter.cli.systemd",  # Windows' Python has no AF_UNIX
    "exporter.collectors.connection_counts",  # the message where listing sockets is refused
    "exporter.model.clock",  # Windows has no CLOCK_BOOTTIME
    "exporter.web.tls",  # certificates from memory need memfd_create
}
_PLATFORM_MODULES = {"ctypes", "pyroute2", "winreg", "fcntl"}
_PLATFORM_FOLDERS = ("/proc/", "/sys/", "/run/")

Modules = dict[str, ast.Module]


@pytest.fixture(scope="module")
def modules() -> Modules:
    """
    The exporter's modules, parsed, by dotted name.
    """
    found = {}
    for file in sorted((ROOT / "exporter").rglob("*.py")):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(file.read_text(encoding="utf-8"))
    return found


def imports(tree: ast.Module) -> Iterator[str]:
    """
    The dotted names that a module imports anywhere, functions included.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package(module: str) -> str:
    """
    The top-level package of one of the exporter's modules; "" for exporter itself.
    """
    return module.split(".")[1] if "." in module else ""


def ours(modules: Modules, name: str) -> set[str]:
    """
    Modules of the exporter that one of its modules imports.
    """
    return {each for each in imports(modules[name]) if each in modules} - {"exporter", name}


def test_packages_only(modules: Modules) -> None:
    """
    Apart from __main__, the top level has only packages, and each of them has a layer.
    """
    loose = {path.name for path in (ROOT / "exporter").glob("*.py")}
    assert loose == {"__init__.py", "__main__.py"}
    assert {package(name) for name in modules} - {"", "__main__"} == set(LAYERS)


def test_imports_go_down(modules: Modules) -> None:
    """
    No package imports one of a higher layer.
    """
    upward = [
        (name, imported)
        for name in modules
        if package(name) in LAYERS
        for imported in ours(modules, name)
        if LAYERS.index(package(imported)) > LAYERS.index(package(name))
    ]
    assert not upward


def test_no_cycles(modules: Modules) -> None:
    """
    No module imports itself through others.
    """
    # A package's own __init__ collects the names of its modules.
    graph = {
        name: {each for each in ours(modules, name) if not name.startswith(f"{each}.")}
        for name in modules
    }
    assert len(tuple(TopologicalSorter(graph).static_order())) == len(modules)


@pytest.mark.parametrize("layer", PURE)
def test_pure(modules: Modules, layer: str) -> None:
    """
    Pure packages import neither I/O modules nor modules of the exporter that do I/O.
    """
    allowed = {*PURE, "paths"}
    for name in modules:
        if package(name) != layer:
            continue
        used = set(imports(modules[name]))
        assert not {each.split(".")[0] for each in used} & _IO_MODULES, name
        mine = ours(modules, name)
        assert {package(each) for each in mine} <= allowed, name
        assert not mine & _READ_HOST, name


def test_platform_packages(modules: Modules) -> None:
    """
    Only a few named modules import linux/ and windows/.
    """
    users = defaultdict(set)
    for name in modules:
        for imported in ours(modules, name):
            if package(imported) in ("linux", "windows") and package(imported) != package(name):
                users[package(imported)].add(name)
    assert users == {"linux": USES_LINUX, "windows": {CHOOSES_PLATFORM}}


def test_platform_code(modules: Modules) -> None:
    """
    System calls, kernel files and platform checks are in linux/ and windows/.

    The modules listed above are exempt.
    """
    others = {
        name: tree for name, tree in modules.items() if package(name) not in ("linux", "windows")
    }
    for name, tree in others.items():
        assert not {each.split(".")[0] for each in imports(tree)} & _PLATFORM_MODULES, name
        texts = [text for text in strings(tree) if text.startswith(_PLATFORM_FOLDERS)]
        assert not texts or name in MENTIONS_PLATFORM, (name, texts)
    mentions = {name for name, tree in others.items() if "sys.platform" in ast.unparse(tree)}
    assert mentions == MENTIONS_PLATFORM


def strings(tree: ast.Module) -> Iterator[str]:
    """
    The string constants of a module that are not docstrings.
    """
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    for node in constants:
        if isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


def test_file_names() -> None:
    """
    No file name occurs three times, and none is the name of a standard library module.
    """
    shared = {"__init__.py", "__main__.py", "conftest.py"}
    folders = (ROOT / "exporter", ROOT / "tests", ROOT / "dashboards")
    files: list[Path] = [file for folder in folders for file in folder.rglob("*.py")]
    names = Counter(file.name for file in files if file.name not in shared)
    assert not [name for name, number in names.items() if number > 2]
    assert not [name for name in names if name.removesuffix(".py") in sys.stdlib_module_names]


def test_class_names(modules: Modules) -> None:
    """
    No two classes share a name.
    """
    classes = Counter(
        node.name
        for tree in modules.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    )
    assert not [name for name, number in classes.items() if number > 1]


def test_only_commands_change_anything(modules: Modules) -> None:
    """
    What changes open sockets is used by commands only: nothing that serves can reach it.
    """
    users = {
        package(name)
        for name in modules
        for imported in ours(modules, name)
        if package(imported) == "protect"
    }
    assert users == {"protect", "cli"}
    assert not [
        name
        for name in ("exporter.cli.serve", "exporter.cli.main")
        if any(package(each) == "protect" for each in ours(modules, name))
    ]

"""
Resolve and download all dependencies of the exporter on Windows: `make windows-wheels`.

pip evaluates markers such as sys_platform == 'linux' for the system it runs on, even with
--platform. So the additional requirements of Windows are added here until none is missing.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
_PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def resolve(python: str) -> dict[str, str]:
    """
    The versions by name that Windows gets with that version of Python. Each of them has a wheel.
    """
    windows = {
        "implementation_name": "cpython",
        "os_name": "nt",
        "platform_machine": "AMD64",
        "platform_python_implementation": "CPython",
        "platform_system": "Windows",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "win32",
    }
    required = list(_for(windows, tomllib.loads(_PROJECT.read_text())["project"]["dependencies"]))
    while True:
        found = _resolved(required, python)
        missing = [
            requirement
            for package in found
            for requirement in _for(windows, package.get("requires_dist", ()))
            if canonicalize_name(requirement.name)
            not in {canonicalize_name(each["name"]) for each in found}
        ]
        if not missing:
            return {package["name"]: package["version"] for package in found}
        required += missing


def _for(windows: dict[str, str], requirements: Sequence[str]) -> Iterator[Requirement]:
    for text in requirements:
        requirement = Requirement(text)
        marker, requirement.marker = requirement.marker, None
        if marker is None or marker.evaluate({**windows, "extra": ""}):
            yield requirement


def _resolved(required: Sequence[Requirement], python: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        flags = ("--dry-run", "--ignore-installed", "--target", directory, "--report", str(report))
        _pip("install", python, *flags, *map(str, required))
        packages: list[dict[str, Any]] = [
            each["metadata"] for each in json.loads(report.read_text())["install"]
        ]
    return packages


def download(packages: dict[str, str], python: str) -> int:
    """
    Download the wheels to a temporary directory; returns their total size in bytes.
    """
    with tempfile.TemporaryDirectory() as directory:
        pinned = [f"{name}=={version}" for name, version in packages.items()]
        _pip("download", python, "--no-deps", "--dest", directory, *pinned)
        wheels = list(Path(directory).glob("*.whl"))
        assert len(wheels) == len(packages)
        return sum(wheel.stat().st_size for wheel in wheels)


def _pip(command: str, python: str, *arguments: str) -> None:
    target = ("--platform", "win_amd64", "--python-version", python, "--only-binary", ":all:")
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", command)
    subprocess.run([*pip, *target, *arguments], check=True)


if __name__ == "__main__":
    for version in PYTHONS:
        packages = resolve(version)
        size = download(packages, version) / 1e6
        print(f"Python {version} on Windows: {len(packages)} wheels, {size:.1f} MB")
        if version == PYTHONS[-1]:
            print(", ".join(f"{name} {each}" for name, each in sorted(packages.items())))

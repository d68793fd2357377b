"""
Messages about missing requirements of a lab.
"""

import os
import shutil

import pytest

from tests.lab import (
    Host,
    LabError,
)
from tests.lab.requirements import needs, skip_reason


class TestRequirements:
    """
    The result of tests where no lab can be built.
    """

    def test_without_root_the_reason_says_what_is_needed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        The skip reason lists the requirements and the missing ones.
        """
        monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
        reason = skip_reason()
        assert reason is not None
        assert reason == "needs root, iproute2, nftables, conntrack: sudo make test"

    def test_with_root_a_missing_package_does_not_skip(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        The test fails instead, and the error names the package.
        """
        monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
        monkeypatch.setattr(
            shutil, "which", lambda command: None if command == "nft" else f"/sbin/{command}"
        )
        assert skip_reason() is None
        with pytest.raises(LabError, match="a lab needs nftables"):
            Host()

    def test_without_root_a_missing_command_skips(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        The reason has the command that installs the package.
        """
        monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
        monkeypatch.setattr(shutil, "which", lambda _command: None)
        with pytest.raises(pytest.skip.Exception, match="promtool: sudo apt-get install prom"):
            needs("promtool")

    def test_with_root_a_missing_command_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        The reason is the same.
        """
        monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
        monkeypatch.setattr(shutil, "which", lambda _command: None)
        with pytest.raises(pytest.fail.Exception, match="needs curl: sudo apt-get install curl"):
            needs("curl")

"""
Who cannot open a lab is told what it needs.
"""

import os
import shutil

import pytest

from tests.lab import (
    Host,
    LabError,
)
from tests.lab.requirements import skip_reason


class TestRequirements:
    """
    What the tests say where no lab can be built.
    """

    def test_without_root_the_reason_says_what_is_needed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A skipped test tells how it can be made to run.
        """
        monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
        reason = skip_reason()
        assert reason is not None
        assert "needs root, iproute2, nftables, conntrack; here lacks root" in reason

    def test_with_root_a_missing_package_does_not_skip(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        It fails instead, and names the package.
        """
        monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
        monkeypatch.setattr(
            shutil, "which", lambda command: None if command == "nft" else f"/sbin/{command}"
        )
        assert skip_reason() is None
        with pytest.raises(LabError, match="a lab needs nftables"):
            Host()

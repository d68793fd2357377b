"""
The file for sysctl.d, put into place by the commands that stand in it.
"""

from subprocess import CalledProcessError

import pytest

from tests.lab import requires_lab
from tests.linux.test_sysctl import DEFAULTS
from tests.remedies.machine import FILE, Machine
from tests.remedies.printed import commands, printed


@requires_lab
def test_apply_and_undo(machine: Machine) -> None:
    """
    Applied twice it gives the namespace its values, about which `check` no longer complains, and
    undone the defaults.
    """
    text = printed("sysctl")
    with pytest.raises(CalledProcessError) as complaint:
        machine.shell(*commands(text, "Verify"))
    assert complaint.value.returncode == 1
    assert "KA001" in complaint.value.stdout
    for _ in range(2):
        machine.shell(*commands(text, "Apply"))
        assert machine.is_remedied
        assert (machine.sysctl_d / FILE).read_text() == text
    assert "KA001" not in machine.shell(*commands(text, "Verify"))
    machine.shell(*commands(text, "Undo"))
    assert machine.settings == DEFAULTS
    assert list(machine.sysctl_d.iterdir()) == []

"""
The file for sysctl.d, applied by the commands in its comments.
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
    Applying it, also twice, sets the values, after which `check` has no KA001. Undo restores the
    defaults.
    """
    text = printed("sysctl")
    with pytest.raises(CalledProcessError) as error:
        machine.shell(*commands(text, "Verify"))
    assert error.value.returncode == 1
    assert "KA001" in error.value.stdout
    for _ in range(2):
        machine.shell(*commands(text, "Apply"))
        assert machine.is_applied
        assert (machine.sysctl_d / FILE).read_text() == text
    assert "KA001" not in machine.shell(*commands(text, "Verify"))
    machine.shell(*commands(text, "Undo"))
    assert machine.settings == DEFAULTS
    assert list(machine.sysctl_d.iterdir()) == []

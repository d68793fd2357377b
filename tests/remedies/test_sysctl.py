"""
The file for sysctl.d, put into place by the commands that stand in it.
"""

from tests.lab import requires_lab
from tests.remedies.machine import FILE, Machine
from tests.remedies.printed import commands, printed
from tests.settings.test_linux import DEFAULTS


@requires_lab
def test_apply_and_undo(machine: Machine) -> None:
    """
    Applied twice it gives the namespace its values, and undone the defaults.
    """
    text = printed("sysctl")
    for _ in range(2):
        machine.shell(*commands(text, "Apply"))
        assert machine.is_remedied
        assert (machine.sysctl_d / FILE).read_text() == text
    machine.shell(*commands(text, "Undo"))
    assert machine.settings == DEFAULTS
    assert list(machine.sysctl_d.iterdir()) == []

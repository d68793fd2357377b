"""
The playbook, run by ansible-core.
"""

import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.lab import requires_lab
from tests.linux.test_sysctl import DEFAULTS
from tests.remedies.machine import FILE, Machine
from tests.remedies.printed import commands, printed

INVENTORY = f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n"
# Debian always has su. No files of the user are read or written.
CONFIG = """
[defaults]
home = {directory}/ansible
remote_tmp = {directory}/ansible
nocolor = true
[privilege_escalation]
become_method = su
"""


@pytest.fixture
def text(tmp_path: Path) -> str:
    """
    The playbook, written to tmp_path with an inventory of one host.
    """
    text = printed("ansible")
    (tmp_path / "tcp-keepalive.yaml").write_text(text)
    (tmp_path / "INVENTORY").write_text(INVENTORY)
    (tmp_path / "ansible.cfg").write_text(CONFIG.format(directory=tmp_path))
    return text


@requires_lab
def test_apply_and_undo(machine: Machine, text: str, tmp_path: Path) -> None:
    """
    A second run changes nothing, unless the settings were changed in between.
    """
    (apply,) = commands(text, "Apply")

    def changes() -> int:
        output = play(machine, tmp_path, apply)
        found = re.search(r"localhost +: ok=\d+ +changed=(\d+) .*failed=0", output)
        assert found, output
        return int(found[1])

    assert changes() == 2
    assert machine.is_applied
    assert changes() == 0
    machine.host.sysctl("net.ipv4.tcp_keepalive_time", 7200)
    assert changes() == 1
    assert machine.is_applied
    assert (machine.sysctl_d / FILE).exists()

    (undo,) = commands(text, "Undo")
    play(machine, tmp_path, undo)
    assert machine.settings == DEFAULTS
    assert list(machine.sysctl_d.iterdir()) == []


def play(machine: Machine, directory: Path, command: str) -> str:
    """
    Run the command with Ansible. Returns its output.
    """
    program, *arguments = shlex.split(command)
    ansible = Path(sys.executable).with_name(program)
    environment = {"ANSIBLE_CONFIG": str(directory / "ansible.cfg")}
    return machine.run(str(ansible), *arguments, cwd=directory, environment=environment).stdout

"""
The user data, validated and carried out by cloud-init.
"""

from pathlib import Path

from tests.lab import requires_lab
from tests.linux.test_sysctl import DEFAULTS
from tests.remedies.machine import FILE, Machine
from tests.remedies.printed import commands, printed
from tests.remedies.unpacked import unpacked

# What its modules write_files and runcmd do, but for the script being run later in the start.
_START = """
import subprocess, sys
from cloudinit import util
from cloudinit.config import cc_write_files
config = util.load_yaml(util.load_file(sys.argv[1]))
cc_write_files.write_files("write_files", config["write_files"], "root:root")
util.write_file(sys.argv[2], util.shellify(config["runcmd"]), 0o700)
subprocess.run([sys.argv[2]], check=True)
"""


@requires_lab
def test_apply_and_undo(machine: Machine, tmp_path: Path) -> None:
    """
    cloud-init finds nothing wrong with it, writes the file and puts it in force.
    """
    modules = unpacked("usr/lib/python3/dist-packages")
    text = printed("cloud-init")
    user_data = tmp_path / "user-data"
    user_data.write_text(text)

    def cloud_init(*arguments: str) -> str:
        python = ("/usr/bin/python3", "-W", "ignore")
        environment = {"PYTHONPATH": str(modules)}
        return machine.run(*python, *arguments, environment=environment).stdout

    validate = ("-m", "cloudinit.cmd.main", "schema", "--config-file")
    assert "Valid cloud-config" in cloud_init(*validate, str(user_data))
    for _ in range(2):
        cloud_init("-c", _START, str(user_data), str(tmp_path / "runcmd"))
        assert machine.is_remedied
    assert (machine.sysctl_d / FILE).stat().st_mode & 0o777 == 0o644
    machine.shell(*commands(text, "Undo"))
    assert machine.settings == DEFAULTS
    assert list(machine.sysctl_d.iterdir()) == []

"""
The user data, validated and applied by cloud-init.
"""

import re
from pathlib import Path

from tests.lab import requires_lab
from tests.linux.test_sysctl import DEFAULTS
from tests.remedies.machine import FILE, Machine
from tests.remedies.printed import commands, printed
from tests.remedies.unpacked import unpacked

# Like the modules write_files and runcmd, but the script runs immediately.
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
    The user data is valid for cloud-init, which writes the file and applies it.
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
    found = cloud_init(*validate, str(user_data))
    assert re.search("^Valid (cloud-config|schema)", found, re.MULTILINE), found
    for _ in range(2):
        cloud_init("-c", _START, str(user_data), str(tmp_path / "runcmd"))
        assert machine.is_applied
    assert (machine.sysctl_d / FILE).stat().st_mode & 0o777 == 0o644
    machine.shell(*commands(text, "Undo"))
    assert machine.settings == DEFAULTS
    assert list(machine.sysctl_d.iterdir()) == []

"""
The output of `fix`, and the commands in its comments.
"""

from click.testing import CliRunner, Result

from exporter.cli import main
from exporter.model import Platform
from exporter.remedies.render import TARGETS
from tests.exporter_process import NO_CLOUD

TIME, INTERVAL, PROBES = 100, 20, 6
"""Neither the recommended values nor defaults of a platform."""


def run_fix(*arguments: str) -> Result:
    """
    Run `fix`.
    """
    return CliRunner().invoke(main, ["fix", NO_CLOUD, *arguments])


def printed(target: str, *flags: str) -> str:
    """
    The output for the target, by default with TIME, INTERVAL and, on Linux, PROBES.
    """
    if not flags:
        flags = ("--time", f"{TIME}s", "--interval", f"{INTERVAL}s")
        if TARGETS[target] is Platform.LINUX:
            flags = (*flags, "--probes", str(PROBES))
    result = run_fix("--for", target, *flags)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout_bytes.decode("ascii")


def commands(text: str, heading: str) -> list[str]:
    """
    The commands in the comments under a heading: Apply, Verify or Undo.

    A command follows $ or >, and may continue in a line that is indented further.
    """
    lines = iter(text.splitlines())
    while not next(lines)[2:].startswith(heading):
        pass
    found: list[str] = []
    for line in lines:
        match line[:4], line[4:6]:
            case "#   " | ";   ", "$ " | "> ":
                found.append(line[6:])
            case "#   " | ";   ", "  ":
                found[-1] += line[7:]
            case "#   " | ";   ", _:
                pass
            case _:
                break
    return found

"""
What `fix` prints, and the commands that stand in its comments.
"""

from click.testing import CliRunner, Result

from exporter.cli import main
from exporter.model import Platform
from exporter.remedies import TARGETS

TIME, INTERVAL, PROBES = 100, 20, 6
"""Neither recommended nor any system's defaults."""


def run_fix(*arguments: str) -> Result:
    """
    Run the command.
    """
    return CliRunner().invoke(main, ["fix", *arguments])


def printed(target: str, *flags: str) -> str:
    """
    What it prints for the target: for TIME, INTERVAL and, where it can be set, PROBES if no flags
    are given.
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
    The commands that the comments give under the heading: Apply, Verify or Undo.

    Behind $ or > stands a command, which may go on in a line that is indented further.
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

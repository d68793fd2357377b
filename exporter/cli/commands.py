"""
The commands by name, each imported only when it is asked for: serving needs none of them.
"""

from importlib import import_module

import click

COMMANDS: tuple[str, ...] = ("check", "connections", "fix", "probe")
"""Each is a function of its own name in the module exporter.cli.NAME."""


class Commands(click.Group):
    """
    A group of commands that are imported late.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """
        The commands, in the order in which --help shows them.
        """
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """
        The command of that name.
        """
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"exporter.cli.{cmd_name}"), cmd_name)
        return command

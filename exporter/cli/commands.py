"""
The subcommands. Each is imported only when used, because serving metrics needs none of them.
"""

from importlib import import_module

import click

COMMANDS: tuple[str, ...] = ("check", "connections", "fix", "probe", "protect", "reset")
"""Each is the function NAME in the module exporter.cli.NAME."""


class LazyGroup(click.Group):
    """
    A command group that imports its commands on demand.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """
        The commands in the order of --help.
        """
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """
        The command, or None if the name is unknown.
        """
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"exporter.cli.{cmd_name}"), cmd_name)
        return command

"""Commands of the command line of Airflow, for versions to which providers can add some."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any


def command_group(group: str, about: str, commands: Mapping[str, tuple[str, str]], conn_id: str) -> list[Any]:
    """
    Return a group of commands with the option ``--conn-id``, in the form of the provider info's ``cli``.

    :param group: name of the group
    :param about: the help for it
    :param commands: the path of the function and the help for each command
    :param conn_id: default of the option
    """
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

    argument: Any = Arg
    option = argument(("--conn-id",), help="id of the connection", default=conn_id)
    actions = [
        ActionCommand(name=name, help=text, func=lazy_load_command(path), args=(option,))
        for name, (path, text) in commands.items()
    ]
    return [GroupCommand(name=group, help=about, subcommands=actions)]


def read_connections_from_database() -> None:
    """Let this process read connections as the scheduler does, not as a task does."""
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"

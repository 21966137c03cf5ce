"""The commands of ``airflow usedesk``."""

from __future__ import annotations

import sys
from typing import Any

from airflow_provider_usedesk.compat.cli import command_group, read_connections_from_database

CHECK = f"{__name__}.check"


def usedesk_commands() -> list[Any]:
    """Return the commands; each ``airflow`` command calls this, so it loads nothing else."""
    about = "Check whether an account does what the delivery contract expects; creates a private ticket"
    return command_group("usedesk", "Usedesk", {"check": (CHECK, about)}, conn_id="usedesk_default")


def check(args: Any) -> None:
    """
    Run the self-check, and print its findings.

    :param args: the arguments, with ``conn_id``
    :raises SystemExit: when there is a problem, or the check could not be made
    """
    from airflow_provider_usedesk.api.errors import UsedeskError
    from airflow_provider_usedesk.compat.sdk import AirflowNotFoundException
    from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
    from airflow_provider_usedesk.idempotency.self_check import check_delivery_contract

    read_connections_from_database()
    hook = UsedeskHook(usedesk_conn_id=args.conn_id)
    try:
        report = check_delivery_contract(hook.get_conn(), hook.delivery_settings())
    except (UsedeskError, AirflowNotFoundException) as error:
        sys.exit(str(error))
    for finding in report.findings:
        word = "problem" if finding in report.problems else "ok"
        sys.stdout.write(f"{word:8}{finding}\n")
    sys.stdout.write(f"Ticket {report.ticket_id} can be deleted.\n")
    if not report.ok:
        sys.exit(1)

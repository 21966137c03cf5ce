"""Run one Dag on a real Airflow against a local Usedesk and show what arrived there."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterable

from airflow_provider_usedesk.sandbox import Sandbox, close
from airflow_provider_usedesk.sandbox.company import Ticket
from dev import DEMO_DAG, EXAMPLE_DAGS
from dev.airflow_client import AirflowClientError, DagRun, TaskInstance, XComEntry
from dev.local_airflow import LocalAirflow
from dev.text import GREEN, RED, colored, say, table

LOG_LINES = 30
LOG_WIDTH = 160
PUBLIC_TEXTS = ("message_status", "chat_id", "ticket_url", "_link_UsedeskTicketLink")
"""Keys of XComs whose text is shown."""

RETRIES = {"AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "2", "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "2"}


class DemoFailed(Exception):
    """What was shown is not what was promised."""


def main() -> int:
    # A stop from outside ends it the way Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    try:
        demo()
    except (DemoFailed, AirflowClientError) as error:
        say(colored(f"FAILED: {error}", RED))
        return 1
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    say(colored(f"Done in {time.monotonic() - started:.0f} s.", GREEN))
    return 0


def demo() -> None:
    with Sandbox() as sandbox:
        say(f"A local Usedesk answers at {sandbox.url}")
        say("Starting Airflow (scheduler, API server, Dag processor, triggerer), about 20 s ...")
        env = {"AIRFLOW_CONN_USEDESK_DEFAULT": sandbox.connection_json, **RETRIES}
        with LocalAirflow(EXAMPLE_DAGS, env=env) as airflow:
            say(f"Airflow {airflow.version()} runs at {airflow.url}")
            sandbox.fail(close("after"), method="create/ticket")
            say("Usedesk opens the first ticket, and its response is lost.")
            say(f"Triggering the Dag {DEMO_DAG} ...")
            run = airflow.run(DEMO_DAG)
            tasks = airflow.task_instances(run.dag_id, run.run_id)
            xcoms = collect_xcoms(airflow, run, tasks)
            show(run, tasks, xcoms, sandbox.tickets)
            if run.state != "success" or any(task.state != "success" for task in tasks):
                raise DemoFailed(f"the run ended as {run.state}\n{failure_logs(airflow, run, tasks)}")
            verify(tasks, xcoms, sandbox.tickets)
            say("Stopping ...")


def collect_xcoms(airflow: LocalAirflow, run: DagRun, tasks: Iterable[TaskInstance]) -> list[XComEntry]:
    task_ids = dict.fromkeys(task.task_id for task in tasks)
    return [xcom for task_id in task_ids for xcom in airflow.xcoms(run.dag_id, run.run_id, task_id)]


def show(
    run: DagRun, tasks: Iterable[TaskInstance], xcoms: Iterable[XComEntry], tickets: Iterable[Ticket]
) -> None:
    say(f"\nThe run of {run.dag_id}: {run.state}\n")
    say(table(("TASK", "STATE", "TRY"), ((task.name, task.state, task.try_number) for task in tasks)))
    say("\nWhat the tasks passed on (XCom)\n")
    say(table(("TASK", "KEY", "VALUE"), (_xcom_row(xcom) for xcom in xcoms)))
    say("\nWhat arrived in Usedesk\n")
    say(
        table(
            ("TICKET", "CHANNEL", "SUBJECT OR TEMPLATE", "MESSAGE", "MESSAGE STATUS"),
            (_ticket_row(ticket) for ticket in tickets),
        )
    )
    say()


def verify(tasks: Iterable[TaskInstance], xcoms: Iterable[XComEntry], tickets: Iterable[Ticket]) -> None:
    repeated = [task.name for task in tasks if task.try_number > 1]
    if len(repeated) != 1:
        raise DemoFailed(f"one task must have two attempts, not {len(repeated)}")
    reported = sorted(int(xcom.value) for xcom in xcoms if xcom.key == "ticket_id")
    arrived = sorted(int(ticket.ticket_id) for ticket in tickets)
    if not arrived:
        raise DemoFailed("no ticket arrived in Usedesk")
    if reported != arrived:
        raise DemoFailed(f"Airflow reports the tickets {reported}, in Usedesk there are {arrived}")
    say(f"The ticket ids in XCom are those in Usedesk: {', '.join(map(str, arrived))}")
    say(f"{repeated[0]} has two attempts and one ticket: the second attempt found the ticket of the first.")


def failure_logs(airflow: LocalAirflow, run: DagRun, tasks: Iterable[TaskInstance]) -> str:
    failed = [task for task in tasks if task.state == "failed"]
    return "\n".join(f"--- {task.name}\n{_log_tail(airflow, run, task)}" for task in failed)


def _log_tail(airflow: LocalAirflow, run: DagRun, task: TaskInstance) -> str:
    log = airflow.task_log(
        run.dag_id, run.run_id, task.task_id, try_number=task.try_number, map_index=task.map_index
    )
    return "\n".join(line[:LOG_WIDTH] for line in log.splitlines()[-LOG_LINES:])


def _xcom_row(xcom: XComEntry) -> tuple[str, str, str]:
    return xcom.task_name, xcom.key, shown_value(xcom)


def shown_value(xcom: XComEntry) -> str:
    """Return the value of an XCom, but no text that can name a client."""
    if xcom.key in PUBLIC_TEXTS or _has_only_numbers(xcom.value):
        return json.dumps(xcom.value, ensure_ascii=False)
    return "(text, not printed)"


def _has_only_numbers(value: object) -> bool:
    if isinstance(value, dict):
        return all(_has_only_numbers(item) for item in value.values())
    return value is None or isinstance(value, (bool, int, float))


def _ticket_row(ticket: Ticket) -> tuple[object, ...]:
    return (
        ticket.ticket_id,
        ticket.channel_id,
        ticket.subject or _template(ticket),
        ticket.message,
        ticket.message_status,
    )


def _template(ticket: Ticket) -> str:
    return f"template {ticket.template_id or ticket.template_name}"


if __name__ == "__main__":
    sys.exit(main())

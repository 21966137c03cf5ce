"""Runs on a production stack, and what must hold of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from airflow_provider_usedesk.sandbox import Sandbox
from tests.production.stack import ProductionAirflow, wait_until
from tests.support.whole_airflow import connect

# A later attempt waits until no request of an earlier one can be under way.
QUICK = {"redis_conn_id": "rate_limit", "timeout": 10, "connect_timeout": 2}

_numbers = count(1)


@dataclass(frozen=True)
class Run:
    """
    A run of a Dag with its own connection.

    :param airflow: where it runs
    :param dag_id: its Dag
    :param run_id: its id
    :param attempts: file with the process of each attempt of a batch
    """

    airflow: ProductionAirflow
    dag_id: str
    run_id: str
    attempts: Path

    def process(self) -> int:
        """Return the process of the last attempt of a batch."""
        return self.processes()[-1]

    def processes(self) -> list[int]:
        return [int(line) for line in self.attempts.read_text().split()] if self.attempts.exists() else []

    def wait_for_success(self) -> None:
        state = self.airflow.wait_for_end(self.dag_id, self.run_id)
        assert state == "success", self.airflow._run_report(self.dag_id, self.run_id)

    def tries(self) -> Counter[int]:
        """Return how many tasks had how many attempts."""
        return Counter(task.try_number for task in self.airflow.task_instances(self.dag_id, self.run_id))


def start(
    airflow: ProductionAirflow,
    dag_id: str,
    sandbox: Sandbox,
    folder: Path,
    *,
    options: Mapping[str, Any] | None = None,
    **conf: Any,
) -> Run:
    """
    Start a run with a connection of its own to the sandbox.

    :param options: extras of the connection
    :param conf: values for the Dag
    """
    name = f"usedesk_{next(_numbers)}"
    connect(airflow, name, sandbox, **{**QUICK, **(options or {})})
    airflow.wait_for_dag(dag_id, 300)
    airflow.unpause(dag_id)
    attempts = folder / f"{name}.attempts"
    run = airflow.trigger(dag_id, {"connection": name, "attempts": str(attempts), **conf})
    return Run(airflow, dag_id, run.run_id, attempts)


def wait_for_tickets(airflow: ProductionAirflow, sandbox: Sandbox, number: int) -> None:
    """Wait until the sandbox has so many tickets."""

    def has_them() -> bool:
        airflow.check_alive()
        return len(sandbox.tickets) >= number

    wait_until(has_them, f"{len(sandbox.tickets)} tickets and not {number}")


def check_each_once(sandbox: Sandbox, what: str, number: int) -> None:
    """Check that each "Row" of a batch, or each "Client" of the mapped tasks, has one ticket."""
    tickets = [ticket for ticket in sandbox.tickets if ticket.subject.startswith(what)]
    assert Counter(ticket.subject for ticket in tickets) == {f"{what} {at}": 1 for at in range(1, number + 1)}
    if what == "Client":
        assert len({ticket.client_id for ticket in tickets}) == number

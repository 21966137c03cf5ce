"""Airflow with the example Dags, and the sandbox's inbox beside it, until Ctrl-C."""

from __future__ import annotations

import secrets
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from airflow_provider_usedesk.sandbox import Sandbox, Webhooks
from dev import DEMO_DAG, EXAMPLE_DAGS
from dev.airflow_client import AirflowClientError
from dev.local_airflow import LocalAirflow, free_port
from dev.text import BOLD, RED, colored, say

CONNECTION_ID = "usedesk_default"
AIRFLOW_PORT = 8080
INBOX_PORT = 8765
REPORT_DELAY = 5


def main() -> int:
    # A stop from outside ends it the way Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        up()
    except AirflowClientError as error:
        say(colored(f"FAILED: {error}", RED))
        return 1
    except KeyboardInterrupt:
        say("\nStopped.")
    return 0


def up() -> None:
    port = free_port(AIRFLOW_PORT)
    with (
        TemporaryDirectory(prefix="usedesk-results-") as results,
        Sandbox(port=free_port(INBOX_PORT), airflow_url=f"http://localhost:{port}") as sandbox,
    ):
        say("Starting Airflow, about 20 s ...")
        env = example_settings(Path(results))
        with LocalAirflow(EXAMPLE_DAGS, port=port, parse_every=5, env=env) as airflow:
            connect(sandbox, airflow)
            airflow.wait_for_dag(DEMO_DAG)
            say(f"\n  Airflow  {colored(airflow.url, BOLD)}  (no password)")
            say(f"  Inbox    {colored(sandbox.inbox_url, BOLD)}")
            say(f"\nTrigger {DEMO_DAG} in Airflow and watch the inbox, which reports each delivery back")
            say(f"to Airflow after {REPORT_DELAY} s. The Dag Docs of each example (the book icon) say how")
            say("to try it. Ctrl-C ends both.")
            while True:
                airflow.check_alive()
                time.sleep(1)


def example_settings(results: Path) -> dict[str, str]:
    """Return the environment in which each example can be tried by hand, at any hour."""
    return {"USEDESK_QUIET_HOURS": "", "USEDESK_RESULTS_PATH": str(results)}


def connect(sandbox: Sandbox, airflow: LocalAirflow) -> None:
    """Make a connection over which each reaches the other."""
    secret = secrets.token_urlsafe(32)
    connection = sandbox.connection
    extra = {**connection.pop("extra"), "webhook_secret": secret}
    # The button "Test connection" of Airflow 3.3.2 needs a port.
    port = urlsplit(sandbox.url).port
    airflow.create_connection(CONNECTION_ID, **connection, port=port, extra=extra)
    sandbox.webhooks = Webhooks(delay=REPORT_DELAY)
    sandbox.redirect_url = f"{airflow.url}/usedesk/webhook/{CONNECTION_ID}/{secret}"


if __name__ == "__main__":
    sys.exit(main())

"""Airflow with the example Dags, and the sandbox's inbox beside it, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import time

from airflow_provider_usedesk.sandbox import Sandbox
from dev import DEMO_DAG, EXAMPLE_DAGS
from dev.airflow_client import AirflowClientError
from dev.local_airflow import LocalAirflow, free_port
from dev.text import BOLD, RED, colored, say

CONNECTION_ID = "usedesk_default"
AIRFLOW_PORT = 8080
INBOX_PORT = 8765


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
    with Sandbox(port=free_port(INBOX_PORT)) as sandbox:
        say("Starting Airflow, about 20 s ...")
        with LocalAirflow(EXAMPLE_DAGS, port=free_port(AIRFLOW_PORT)) as airflow:
            airflow.create_connection(CONNECTION_ID, **sandbox.connection)
            airflow.wait_for_dag(DEMO_DAG)
            say(f"\n  Airflow  {colored(airflow.url, BOLD)}  (no password)")
            say(f"  Inbox    {colored(sandbox.inbox_url, BOLD)}")
            say(f"\nTrigger {DEMO_DAG} in Airflow and watch the inbox. Ctrl-C ends both.")
            while True:
                airflow.check_alive()
                time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())

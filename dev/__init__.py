"""What a developer of this project runs: the demo, a local Airflow, and what they stand on."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
EXAMPLE_DAGS = PROJECT / "example_dags"
DEMO_DAG = "usedesk_open_ticket"

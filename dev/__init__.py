"""What a developer of this project runs: the demo, a local Airflow, and what they stand on."""

from pathlib import Path

EXAMPLE_DAGS = Path(__file__).resolve().parent.parent / "example_dags"
DEMO_DAG = "usedesk_open_ticket"

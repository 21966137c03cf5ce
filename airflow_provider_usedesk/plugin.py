"""What Airflow loads at the start of its components: listeners and the receiver of webhooks."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowPlugin


class UsedeskPlugin(AirflowPlugin):
    """Hold what this package adds to Airflow's own processes."""

    name = "usedesk"

"""The metrics of the requests of a hook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_usedesk.compat import stats

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.observer import RequestOutcome


class RequestMetrics:
    """Counts requests by method and outcome, and times the waits for the rate limit."""

    def on_request(self, method: str, outcome: RequestOutcome) -> None:
        stats.count(f"requests.{method.replace('/', '_')}.{outcome}")

    def on_rate_limit_wait(self, seconds: float) -> None:
        stats.add_time("rate_limit_wait", seconds)

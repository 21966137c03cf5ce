"""What a client reports to its caller while it works, such as for metrics."""

from __future__ import annotations

from typing import Literal, Protocol

from airflow_provider_usedesk.api import errors

RequestOutcome = Literal["success", "refused", "rate_limited", "bad_connection", "unavailable", "unknown"]


class Observer(Protocol):
    """Receives what a client does."""

    def on_request(self, method: str, outcome: RequestOutcome) -> None:
        """
        Receive the outcome of one request.

        :param method: path of the API method, such as ``create/ticket``
        :param outcome: the outcome
        """

    def on_rate_limit_wait(self, seconds: float) -> None:
        """
        Receive that the client begins to wait for the rate limit.

        :param seconds: the time
        """


class NoObserver:
    """Ignores everything."""

    def on_request(self, method: str, outcome: RequestOutcome) -> None: ...

    def on_rate_limit_wait(self, seconds: float) -> None: ...


def outcome_of(error: errors.UsedeskError) -> RequestOutcome:
    """Return the outcome of a request that raised an error."""
    for error_class, outcome in _OUTCOMES.items():
        if isinstance(error, error_class):
            return outcome
    return "refused"


_OUTCOMES: dict[type[errors.UsedeskError], RequestOutcome] = {
    errors.UsedeskRateLimited: "rate_limited",
    errors.UsedeskBadConnection: "bad_connection",
    errors.UsedeskUnavailable: "unavailable",
    errors.UsedeskOutcomeUnknown: "unknown",
}

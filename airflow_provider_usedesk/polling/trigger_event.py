"""What tasks share that wait in the triggerer: how long, and the errors that come back from there."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.errors import UsedeskError

# The trigger ends the waiting; the scheduler does only when no triggerer is running.
GRACE = timedelta(minutes=1)


def error_of(event: dict[str, Any]) -> UsedeskError:
    """Make an error again of what a trigger could only name."""
    from airflow_provider_usedesk.api import errors

    kind = getattr(errors, str(event.get("error")), None)
    if not isinstance(kind, type) or not issubclass(kind, errors.UsedeskError):
        kind = errors.UsedeskError
    return kind(str(event.get("message")))

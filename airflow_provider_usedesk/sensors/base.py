"""What the sensors share: the connection, the button, and what comes after the triggerer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.sdk import (
    AirflowFailException,
    AirflowSkipException,
    BaseSensorOperator,
    conf,
)
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.links.ticket import UsedeskTicketLink

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import Context


class UsedeskSensor(BaseSensorOperator):
    """
    Hold what the sensors share.

    :param usedesk_conn_id: Airflow Connection of type usedesk (templated)
    :param deferrable: whether to wait in the triggerer; default: ``[operators] default_deferrable``
    :param max_failures: how many looks in a row may fail, where Usedesk cannot be reached, before the task
        does; in ``reschedule`` mode only ``timeout`` counts; default: 10
    """

    template_fields: Sequence[str] = ("usedesk_conn_id",)
    operator_extra_links = (UsedeskTicketLink(),)
    ui_color = "#d7ecff"

    def __init__(
        self,
        *,
        usedesk_conn_id: str = UsedeskHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_failures: int = 10,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.usedesk_conn_id = usedesk_conn_id
        self.deferrable = deferrable
        self.max_failures = max_failures

    @cached_property
    def hook(self) -> UsedeskHook:
        return UsedeskHook(usedesk_conn_id=self.usedesk_conn_id)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the triggerer; with ``never_fail``, every error skips the task, as in a worker."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSkipException:
            raise
        except Exception as error:
            if self.never_fail:
                raise AirflowSkipException("Skipped, because never_fail is set.") from error
            raise

    def _ticket_url(self, ticket_id: int) -> str | None:
        with self._failing_for_good():
            return self.hook.ticket_url(ticket_id)

    @contextmanager
    def _failing_for_good(self) -> Iterator[None]:
        """Keep Airflow from retrying what a retry cannot mend."""
        from airflow_provider_usedesk.api.errors import UsedeskBadConnection, UsedeskInvalidRequest

        try:
            yield
        except (UsedeskInvalidRequest, UsedeskBadConnection) as error:
            raise AirflowFailException(f"{type(error).__name__}: {error}") from error

"""What both sensors have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.execution_timeout import check_execution_time, ended_by_timeout
from airflow_provider_usedesk.compat.sdk import AirflowSkipException, BaseSensorOperator, conf
from airflow_provider_usedesk.hooks.no_retry import no_retry
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.links.ticket import UsedeskTicketLink, push_ticket_url

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.execution_timeout import check_execution_time, ended_by_timeout
from airflow_provider_usedesk.compat.sdk import Context


class UsedeskSensor(BaseSensorOperator):
    """
    Base class of the sensors: the connection, the link to the ticket, and errors after a deferral.

    :param usedesk_conn_id: Airflow Connection of type usedesk (templated)
    :param deferrable: whether to wait in the triggerer; default: ``[operators] default_deferrable``
    :param max_failures: how many polls in a row may fail, where Usedesk cannot be reached, before the task
        fails; in ``reschedule`` mode only ``timeout`` counts; default: 10
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
        """
        Resume after a deferral.

        :raises AirflowSkipException: on any error with ``never_fail``, as the sensor does in a worker
        :raises AirflowTaskTimeout: when ``execution_timeout`` has passed and no triggerer ended the wait
        """
        if ended_by_timeout(next_method, next_kwargs):
            check_execution_time(self, context)
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSkipException:
            raise
        except Exception as error:
            if self.never_fail:
                raise AirflowSkipException(
                    "The wait failed. The task is skipped, because never_fail is set."
                ) from error
            raise

    def _push_ticket_url(self, context: Context, ticket_id: int) -> None:
        with no_retry():
            push_ticket_url(context, self.hook.ticket_url(ticket_id))

"""What both sensors have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.execution_timeout import (
    check_execution_time,
    ended_by_timeout,
    take_carried_end,
)
from airflow_provider_usedesk.compat.sdk import AirflowSkipException, BaseSensorOperator, conf
from airflow_provider_usedesk.links import TicketLinks

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.hooks.usedesk import UsedeskHook

# Arguments of any sensor; Airflow names only the first of them that is wrong.
TIMES = ("poke_interval", "timeout", "max_wait")
MODES = ("poke", "reschedule")


class UsedeskSensor(BaseSensorOperator):
    """
    Base class of the sensors: the connection, the link to the ticket, and errors after a deferral.

    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    :param deferrable: whether to wait in the triggerer; default: ``[operators] default_deferrable``
    :param max_failures: number of polls in a row that do not reach Usedesk, after which the task fails; in
        ``reschedule`` mode, which cannot count, 1 fails at the first and more at ``timeout``; default: 10
    """

    template_fields: Sequence[str] = ("usedesk_conn_id",)
    operator_extra_links: Any = TicketLinks()
    ui_color = "#d7ecff"

    def __init__(
        self,
        *,
        usedesk_conn_id: str = "usedesk_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_failures: int = 10,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.usedesk_conn_id = usedesk_conn_id
        self.deferrable = deferrable
        self.max_failures = max_failures

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        from airflow_provider_usedesk.operators.mapping import checked_partial

        return checked_partial(cls, kwargs, super().partial)

    @classmethod
    def argument_errors(cls, given: Mapping[str, Any], *, is_complete: bool) -> list[str]:
        """
        Return a text for each invalid argument, as far as their values are known when the Dag is parsed.

        :param given: arguments by name, those of any task among them; those that are missing are valid
        :param is_complete: whether no other argument is added to those that are given
        """
        from airflow_provider_usedesk.hooks.literals import is_literal
        from airflow_provider_usedesk.operators.checks import option_errors

        known = {name: value for name, value in given.items() if is_literal(value)}
        missing = ["ticket_id: is required"] if is_complete and "ticket_id" not in given else []
        return [*missing, *cls._wait_errors(known), *option_errors(known), *_errors_of_any_sensor(known)]

    @classmethod
    @abstractmethod
    def _wait_errors(cls, known: Mapping[str, Any]) -> list[str]:
        """
        Return a text for each invalid argument that says what to wait for.

        :param known: the arguments whose values are known, by name
        """

    @cached_property
    def hook(self) -> UsedeskHook:
        from airflow_provider_usedesk.hooks.usedesk import UsedeskHook

        return UsedeskHook(usedesk_conn_id=self.usedesk_conn_id)

    def execute(self, context: Context) -> Any:
        """
        Wait, in the worker or in the triggerer.

        :raises AirflowFailException: if ``max_failures``, which a mapped task gets from upstream, is invalid
        """
        from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
        from airflow_provider_usedesk.hooks.no_retry import no_retry

        with no_retry():
            if validation_errors := _errors_of_any_sensor({"max_failures": self.max_failures}):
                raise UsedeskInvalidRequest(validation_errors)
        return super().execute(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """
        Resume after a deferral.

        :raises AirflowSkipException: on any error with ``never_fail``, as the sensor does in a worker
        :raises AirflowTaskTimeout: when ``execution_timeout`` has passed and no triggerer ended the wait
        """
        others = take_carried_end(self, next_kwargs)
        if ended_by_timeout(next_method, others):
            check_execution_time(self, context)
        try:
            return super().resume_execution(next_method, others, context)
        except AirflowSkipException:
            raise
        except Exception as error:
            if self.never_fail:
                raise AirflowSkipException(
                    "The wait failed. The task is skipped, because never_fail is set."
                ) from error
            raise

    def _push_ticket_url(self, context: Context, ticket_id: int) -> None:
        from airflow_provider_usedesk.hooks.no_retry import no_retry
        from airflow_provider_usedesk.links.ticket import push_ticket_url

        if self.do_xcom_push:
            with no_retry():
                push_ticket_url(self, context, self.hook.ticket_url(ticket_id))


def _errors_of_any_sensor(known: Mapping[str, Any]) -> list[str]:
    from airflow_provider_usedesk.api.values import all_checked, choice, count

    checks = {**dict.fromkeys(TIMES, _check_seconds), "mode": choice(*MODES), "max_failures": count}
    given = {name: known[name] for name in checks if known.get(name) is not None}
    return all_checked(checks, given)[1]


def _check_seconds(value: Any) -> None:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
        raise ValueError("must be a timedelta or a number of seconds, at least 0")

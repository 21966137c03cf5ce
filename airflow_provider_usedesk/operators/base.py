"""What the operators share: the connection, rendering, sending once, XComs and the button."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.sdk import (
    AirflowException,
    AirflowFailException,
    BaseOperator,
    conf,
)
from airflow_provider_usedesk.delivery.inlets import add_delivery_inlets, with_delivery_inlets
from airflow_provider_usedesk.delivery.waiter import DeliveryWait, wait_seconds
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.links.ticket import UsedeskTicketLink, push_ticket_url
from airflow_provider_usedesk.operators.redacted import Redacted, plain_value

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.request import Method
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.idempotency.send_once import (
        Absent,
        Ambiguous,
        Attempt,
        Found,
        LookUp,
        Made,
        OnUnknown,
    )

MESSAGE_FILES = (".html", ".md", ".txt")


class UsedeskOperator(BaseOperator):
    """
    Hold what all operators share: the connection and how arguments are rendered.

    After rendering, values that can identify a person show as ``***`` in the UI. An optional text that
    renders to nothing is left out; any other argument that renders to nothing is a fault.

    :param usedesk_conn_id: Airflow Connection of type usedesk (templated)
    """

    template_fields: Sequence[str] = ("usedesk_conn_id",)
    # Files for `message` only: with template_ext, Airflow would also open what `files` names.
    template_ext: Sequence[str] = ()
    operator_extra_links: tuple[UsedeskTicketLink, ...] = (UsedeskTicketLink(),)
    ui_color = "#d7ecff"

    message: str | None = None
    # Which arguments are the same in every try; noted when they are rendered.
    _fixed: frozenset[str] = frozenset()

    def __init__(self, *, usedesk_conn_id: str = UsedeskHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.usedesk_conn_id = usedesk_conn_id

    @cached_property
    def hook(self) -> UsedeskHook:
        return UsedeskHook(usedesk_conn_id=self.usedesk_conn_id)

    @abstractmethod
    def _method(self) -> Method:
        """Return the method of the API that this operator calls."""

    def _params(self) -> dict[str, Any]:
        arguments = self._method().arguments
        return {name: plain_value(getattr(self, name)) for name in self.template_fields if name in arguments}

    @contextmanager
    def _failing_for_good(self) -> Iterator[None]:
        """Keep Airflow from retrying what a retry cannot mend; a retry policy decides for itself."""
        from airflow_provider_usedesk.api.errors import (
            UsedeskBadConnection,
            UsedeskInvalidRequest,
            UsedeskRejected,
        )

        try:
            yield
        except (UsedeskInvalidRequest, UsedeskBadConnection, UsedeskRejected) as error:
            if getattr(self, "retry_policy", None):
                raise
            raise AirflowFailException(f"{type(error).__name__}: {error}") from error

    def _push(self, context: Context, ticket_id: int, others: Mapping[str, int | str]) -> None:
        """Push the ids to XCom, and where the button leads."""
        if self.do_xcom_push:
            for key, value in {"ticket_id": ticket_id, **others}.items():
                context["ti"].xcom_push(key=key, value=value)
        self._push_button(context, ticket_id)

    def _push_button(self, context: Context, ticket_id: int | None) -> None:
        """Push where the button leads; before sending, where the ticket is known, for a send may fail."""
        if self.do_xcom_push and ticket_id is not None:
            push_ticket_url(context, self.hook.ticket_url(ticket_id))

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: Any,
        seen_oids: set[int],
        **kwargs: Any,
    ) -> None:
        args = (context, jinja_env, seen_oids)
        if parent is not self:
            return super()._do_render_template_fields(parent, template_fields, *args, **kwargs)
        given = [name for name in template_fields if getattr(self, name) is not None]
        # What a mapped task got from upstream is text, never the name of a file.
        if id(self.message) not in seen_oids:
            self.message = self._text_of_message(self.message)
        self._fixed = frozenset(name for name in template_fields if _is_fixed(getattr(self, name), seen_oids))
        super()._do_render_template_fields(parent, template_fields, *args, **kwargs)
        for name in given:
            value = getattr(self, name)
            if value is None:
                # Not the same as not given: a template that finds nothing must not go unnoticed.
                setattr(self, name, "")
            elif name in self._redacted_fields() and value:
                setattr(self, name, Redacted(plain_value(value)))
        return None

    def _redacted_fields(self) -> frozenset[str]:
        """Name the template fields that can hold what nobody should find in the UI."""
        from airflow_provider_usedesk.api.request import REDACTED

        return frozenset(REDACTED)

    def _text_of_message(self, message: Any) -> Any:
        """Return what the template file holds that a message names, or the message."""
        if not isinstance(message, str) or not message.endswith(MESSAGE_FILES) or "\n" in message:
            return message
        from jinja2 import DictLoader, TemplateNotFound

        environment = self.get_template_env()
        try:
            return (environment.loader or DictLoader({})).get_source(environment, message)[0]
        except TemplateNotFound:
            # Without the name: it may be a text for a customer that happens to end like a file.
            raise ValueError(
                "message ends like the name of a template file, but there is no such file in the folder of "
                f"the Dag or in template_searchpath. A text cannot end in {', '.join(MESSAGE_FILES)}: "
                "put a space behind it."
            ) from None


class SendOnceOperator(UsedeskOperator):
    """
    Hold what the operators share that reach customers: what a later try may send.

    :param on_unknown_outcome: what to do when an earlier try may have reached Usedesk: ``verify`` (ask
        Usedesk; default), ``fail``, or ``send`` (which can reach a customer twice)
    :param send_again_on_clear: whether clearing the task sends again; default: false
    """

    def __init__(
        self,
        *,
        on_unknown_outcome: OnUnknown = "verify",
        send_again_on_clear: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.on_unknown_outcome = on_unknown_outcome
        self.send_again_on_clear = send_again_on_clear

    def _attempt(self, context: Context) -> Attempt:
        from airflow_provider_usedesk.idempotency.send_once import Attempt

        ti = context["ti"]
        # Clearing adds to max_tries what was used up: the tries of earlier turns.
        used_up = max(ti.max_tries - (self.retries or 0), 0) if self.send_again_on_clear else 0
        return Attempt(is_first=ti.try_number <= used_up + 1, began=_began(context["dag_run"]), turn=used_up)


class SendingOperator(SendOnceOperator):
    """
    Hold what the operators share that send one message: sending it once, and waiting for its delivery.

    :param wait_for_delivery: whether to wait, once the ids are in XCom, until the message was delivered, as
        :class:`~airflow_provider_usedesk.sensors.message.MessageDeliverySensor` does with ``source="auto"``;
        a failed message or the end of the time fails the task; default: false
    :param deferrable: whether to wait in the triggerer; default: ``[operators] default_deferrable``
    :param delivery_timeout: how long to wait, as timedelta or in seconds, at most a year; default: 10 minutes
    :param delivery_poke_interval: time between two looks, as timedelta or in seconds; default: 30 seconds
    """

    def __init__(
        self,
        *,
        wait_for_delivery: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        delivery_timeout: timedelta | float = timedelta(minutes=10),
        delivery_poke_interval: timedelta | float = timedelta(seconds=30),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wait_for_delivery = wait_for_delivery
        self.deferrable = deferrable
        self.delivery_timeout = wait_seconds("delivery_timeout", delivery_timeout)
        self.delivery_poke_interval = wait_seconds("delivery_poke_interval", delivery_poke_interval)
        if wait_for_delivery:
            add_delivery_inlets(self)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        return with_delivery_inlets(
            super().partial(**kwargs), lambda given: bool(given.get("wait_for_delivery"))
        )

    def execute_complete(
        self,
        context: Context,
        event: Any = None,
        ticket_id: int | None = None,
        comment_id: int | None = None,
    ) -> int:
        """
        Go on after waiting for the delivery, and return the id of the ticket.

        :param event: what :class:`~airflow_provider_usedesk.triggers.message.MessageDeliveryTrigger` fired
        :param ticket_id: the ticket that was waited for; default: that of the event
        :param comment_id: the message; default: any of the ticket
        """
        from airflow_provider_usedesk.api.responses import as_id

        # dag.test() hands on the event only.
        told = as_id(event.get("ticket_id")) if isinstance(event, dict) else None
        awaited = told if ticket_id is None else ticket_id
        if awaited is None:
            raise AirflowException("The task was resumed without the ticket that it waited for.")
        with self._failing_for_good():
            self._delivery_wait(awaited, comment_id).resume(event)
        return awaited

    def _wait_for_delivery(self, ticket_id: int, comment_id: int | None) -> None:
        from airflow_provider_usedesk.triggers.message import MessageDeliveryTrigger

        wait, began = self._delivery_wait(ticket_id, comment_id), datetime.now(UTC)
        with self._failing_for_good():
            if not self.deferrable:
                wait.wait_in_worker()
            elif wait.poll() is None:
                self.defer(
                    trigger=MessageDeliveryTrigger(**wait.trigger_kwargs(began)),
                    method_name="execute_complete",
                    kwargs={"ticket_id": ticket_id, "comment_id": comment_id},
                    timeout=wait.defer_timeout,
                )

    def _delivery_wait(self, ticket_id: int, comment_id: int | None) -> DeliveryWait:
        from airflow_provider_usedesk.delivery.decision import default_message

        return DeliveryWait(
            self.hook,
            default_message(ticket_id, comment_id),
            "auto",
            deferrable=self.deferrable,
            interval=self.delivery_poke_interval,
            timeout=self.delivery_timeout,
        )

    def _check_delivery_can_be_awaited(self, is_private: bool) -> None:
        from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest

        if self.wait_for_delivery and is_private:
            with self._failing_for_good():
                raise UsedeskInvalidRequest(
                    ["wait_for_delivery: what is private is for agents only, and is never delivered"]
                )

    def _send_unless_sent(
        self,
        context: Context,
        kind: type[Made],
        send: Callable[[], Made],
        look_up: Callable[[LookUp], Found[Made] | Absent | Ambiguous],
        name: str = "",
    ) -> Made:
        """
        Send, unless an earlier try did.

        :param kind: what sending answers
        :param send: sends
        :param look_up: asks Usedesk for what an earlier try made
        :param name: tells apart what one task sends
        """
        from airflow_provider_usedesk.idempotency.attempt_store import NoAttempts, TaskStateAttempts
        from airflow_provider_usedesk.idempotency.send_once import AttemptStore, send_once

        store = context.get("task_state_store")
        memory: AttemptStore[Made] = NoAttempts() if store is None else TaskStateAttempts(store, kind, name)
        with self._failing_for_good():
            return send_once(
                send=send,
                look_up=look_up,
                memory=memory,
                attempt=self._attempt(context),
                on_unknown=self.on_unknown_outcome,
            )


def _is_fixed(value: Any, seen_oids: set[int]) -> bool:
    """Tell whether an argument stands in the Dag itself: upstream may give another when it is cleared."""
    return isinstance(value, (int, str)) and "{" not in str(value) and id(value) not in seen_oids


def _began(dag_run: Any) -> datetime:
    """Return a moment that is not after the first try of any task of the run; clearing moves some of them."""
    names = ("run_after", "data_interval_end", "queued_at", "start_date")
    moments: list[datetime] = [moment for name in names if (moment := getattr(dag_run, name, None))]
    return min(moments)

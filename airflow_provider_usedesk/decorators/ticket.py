"""Make a ticket of what a function returns."""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_usedesk.compat.sdk import (
    AirflowFailException,
    DecoratedOperator,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)
from airflow_provider_usedesk.operators.redacted import plain_value
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import Context, TaskDecorator


def usedesk_ticket_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """
    Create a ticket of what the function returns (``create/ticket``, EN 51378).

    Use it as ``@task.usedesk_ticket`` or ``@task.usedesk_ticket(channel_id=683, …)``. The function, which may
    be async, returns the message as a text, or a dict of parameters of ``create/ticket`` by name
    (``from`` may be spelled ``from_``), ``custom_fields`` and ``files``. They go over what was given to the
    decorator; None stands for what was given there. Nothing that the function returns is rendered, so that a
    customer's braces stay braces, and no text of it names a template file.

    The task returns the id of the ticket, and pushes ``ticket_id``, and where Usedesk answers them
    ``message_status``, ``chat_id`` and ``comment_id``, to XCom. A later try calls the function anew, and does
    not send what an earlier try has sent, even when the function returns something else.

    .. seealso:: :class:`~airflow_provider_usedesk.operators.ticket.CreateTicketOperator` for the parameters

    :param python_callable: the function; its arguments show as ``***`` in the UI
    :param kwargs: parameters of CreateTicketOperator (templated), of which none is required here, and of any
        task, such as ``retries``
    :raises AirflowFailException: when the function returns neither a dict nor a text, and for all that
        CreateTicketOperator raises it for; nothing is sent when an argument is missing or faulty
    :raises UsedeskOutcomeUnknown: when the ticket may exist all the same
    """
    return task_decorator_factory(
        python_callable=python_callable,
        # A function that says it returns a dict would otherwise promise an XCom for each key.
        multiple_outputs=False,
        decorated_operator_class=_UsedeskTicketDecoratedOperator,
        **kwargs,
    )


class _UsedeskTicketDecoratedOperator(DecoratedOperator, CreateTicketOperator):
    """
    Create a ticket of what a function returns.

    :param python_callable: the function
    :param op_args: positional arguments of the function (templated)
    :param op_kwargs: named arguments of the function (templated)
    """

    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *CreateTicketOperator.template_fields,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **CreateTicketOperator.template_fields_renderers,
    }
    custom_operator_name = "@task.usedesk_ticket"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        subject: str | None = None,
        message: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            subject=subject,
            message=message,
            **kwargs,
        )
        self._returned: dict[str, Any] = {}

    def execute(self, context: Context) -> int:
        self._returned = _parameters(self._call(context))
        # The function may have returned others in the try that is looked for.
        self._fixed = frozenset()
        # DecoratedOperator.execute would look into the arguments, which stay hidden.
        return CreateTicketOperator.execute(self, context)

    def _call(self, context: Context) -> Any:
        args, kwargs = plain_value(self.op_args), plain_value(self.op_kwargs)
        # An argument of the function may be named like a part of the context, which the operator still needs.
        known = copy.copy(context)
        context_merge(known, kwargs)
        returned = self.python_callable(*args, **determine_kwargs(self.python_callable, args, known))
        return asyncio.run(_awaited(returned)) if inspect.isawaitable(returned) else returned

    def _params(self) -> dict[str, Any]:
        given = super()._params()
        if "from" in self._returned:
            given.pop("from_", None)
        return {**given, **self._returned}

    def _redacted_fields(self) -> frozenset[str]:
        # Anything may be in the arguments of the function.
        return super()._redacted_fields() | {"op_args", "op_kwargs"}


def _parameters(returned: Any) -> dict[str, Any]:
    if isinstance(returned, str):
        return {"message": returned}
    if not isinstance(returned, Mapping):
        raise AirflowFailException(
            "The function of @task.usedesk_ticket must return a dict of parameters of create/ticket, or the "
            f"message as a text; it returned {type(returned).__name__}. Nothing was sent to Usedesk."
        )
    return {str(name): value for name, value in returned.items() if value is not None}


async def _awaited(returned: Any) -> Any:
    return await returned

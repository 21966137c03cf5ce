"""Create a ticket from what a function returns: ``@task.usedesk_ticket``."""

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
from airflow_provider_usedesk.hooks.templates import strict_environment
from airflow_provider_usedesk.operators.arguments import check_known
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator

if TYPE_CHECKING:
    from jinja2 import Environment

    from airflow_provider_usedesk.compat.sdk import Context, TaskDecorator


def usedesk_ticket_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """
    Create a ticket from what the function returns.

    Use it as ``@task.usedesk_ticket`` or ``@task.usedesk_ticket(channel_id=683, …)``. It calls the API method
    ``create/ticket``: https://api.usedocs.com/article/51378.

    The function may be async. It returns the message as a text, or a dict of parameters of ``create/ticket``
    by name (``from`` may be spelled ``from_``), ``custom_fields``, ``files`` and ``message_key``. A returned
    value overrides the argument of the decorator, unless it is None or NaN. The returned texts are neither
    rendered nor read as names of template files, because a customer may have written them.

    The task returns the id of the ticket. It pushes ``ticket_id`` to XCom and, where Usedesk returns them,
    ``message_status``, ``chat_id`` and ``comment_id``. A later attempt calls the function again. It does not
    send what an earlier attempt sent, even if the function returns something else.

    .. seealso:: :class:`~airflow_provider_usedesk.operators.ticket.CreateTicketOperator` for the parameters.

    :param python_callable: the function; Airflow stores its arguments as ``***``
    :param kwargs: arguments of ``CreateTicketOperator`` (templated), none of which is required here, and
        arguments of any task, such as ``retries``
    :raises UsedeskInvalidRequest: naming every argument that is known to be wrong
    :raises AirflowFailException: when the function returns neither a dict nor a text, or an argument is
        missing or not valid, and nothing was sent; and in all cases of ``CreateTicketOperator``
    :raises UsedeskOutcomeUnknown: when it is unknown whether the ticket exists
    """
    if TYPE_CHECKING:
        CreateTicketOperator(**kwargs)
    # Of a mapped task, Airflow makes no operator when the Dag is parsed.
    check_known(_UsedeskTicketDecoratedOperator, kwargs, is_complete=False)
    return task_decorator_factory(
        python_callable=python_callable,
        # A function that is annotated to return a dict would otherwise promise an XCom for each key.
        multiple_outputs=False,
        decorated_operator_class=_UsedeskTicketDecoratedOperator,
        **kwargs,
    )


class _UsedeskTicketDecoratedOperator(DecoratedOperator, CreateTicketOperator):
    """
    The operator behind ``@task.usedesk_ticket``.

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
    _personal_fields = CreateTicketOperator._personal_fields | {"op_args", "op_kwargs", "_returned"}
    custom_operator_name = "@task.usedesk_ticket"
    message_key: str | None

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

    @classmethod
    def argument_errors(cls, given: Mapping[str, Any], *, is_complete: bool) -> list[str]:
        # The function can return what is missing.
        return super().argument_errors(given, is_complete=False)

    def execute(self, context: Context) -> int:
        from airflow_provider_usedesk.api.values import is_null

        self._returned = _returned_params(self._call(context))
        if "message_key" in self._returned:
            returned_key = self._returned.pop("message_key")
            # A null keeps the argument. Without one, the map index would name the message.
            self.message_key = (self.message_key or "") if is_null(returned_key) else returned_key
        try:
            # Not super(): DecoratedOperator.execute would return what the function returns.
            return CreateTicketOperator.execute(self, context)
        finally:
            self._returned = {}

    def _call(self, context: Context) -> Any:
        args, kwargs = self.op_args, self.op_kwargs
        # A copy: an argument named like a part of the context would replace it for the operator, too.
        known = copy.copy(context)
        context_merge(known, kwargs)
        returned = self.python_callable(*args, **determine_kwargs(self.python_callable, args, known))
        return asyncio.run(_awaited(returned)) if inspect.isawaitable(returned) else returned

    def _params(self) -> dict[str, Any]:
        params = super()._params()
        if "from" in self._returned:
            params.pop("from_", None)
        return {**params, **self._returned}

    def _template_environment(self, environment: Environment) -> Environment:
        # The function may make a text of an argument, where a null is no longer seen.
        return strict_environment(environment, refuses_null=True)

    def _empty_mapped_arguments(self) -> set[str]:
        # What this task is mapped over are the arguments of the function, which may be None.
        return set()


def _returned_params(returned: Any) -> dict[str, Any]:
    from airflow_provider_usedesk.api.values import is_null

    if isinstance(returned, str):
        return {"message": returned}
    if not isinstance(returned, Mapping):
        raise AirflowFailException(
            "The function of @task.usedesk_ticket must return the message as a text, or a dict of parameters "
            f"of create/ticket. It returned {type(returned).__name__}. Nothing was sent to Usedesk."
        )
    params = {str(name): value for name, value in returned.items()}
    return {name: value for name, value in params.items() if name == "message_key" or not is_null(value)}


async def _awaited(returned: Any) -> Any:
    return await returned

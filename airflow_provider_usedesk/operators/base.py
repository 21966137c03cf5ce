"""What all operators share: the connection, the rendering of arguments, errors, XComs and the link."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_usedesk.api.redacted import REDACTED
from airflow_provider_usedesk.compat.rendering import (
    HIDDEN_VALUE,
    hide_attributes,
    mapped_arguments,
    shows_values,
    with_rendering_hook,
)
from airflow_provider_usedesk.compat.sdk import BaseOperator
from airflow_provider_usedesk.links import TicketLinks
from airflow_provider_usedesk.operators.arguments import constructor_arguments

if TYPE_CHECKING:
    from jinja2 import Environment

    from airflow_provider_usedesk.api.request import Method, Request
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.hooks.usedesk import UsedeskHook


@with_rendering_hook
class UsedeskOperator(BaseOperator):
    """
    An operator that calls one method of the Usedesk API.

    It sends every argument of its constructor that is named like a parameter of the method, whether the
    argument is a template field or not. Airflow stores rendered values that can identify a person as ``***``.
    An optional text that renders to an empty value is not sent; any other argument that renders to an empty
    value fails the task.

    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    """

    template_fields: Sequence[str] = ("usedesk_conn_id",)
    # Airflow would look for files in every field; only `message` may name a template file.
    template_ext: Sequence[str] = ()
    operator_extra_links: Any = TicketLinks()
    ui_color = "#d7ecff"

    message: str | None = None
    # Template fields whose values Airflow must not store; a message may be named by the phone of a client.
    _personal_fields: ClassVar[frozenset[str]] = frozenset({*REDACTED, "message_key", "_rendered"})
    # The values of this attempt, set when the template fields are rendered.
    _rendered: Mapping[str, Any] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        hide_attributes(cls, cls._personal_fields)

    def __init__(self, *, usedesk_conn_id: str = "usedesk_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.usedesk_conn_id = usedesk_conn_id

    if TYPE_CHECKING:
        # The arguments, which assign_arguments() sets.
        def __getattr__(self, name: str) -> Any: ...

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
        from airflow_provider_usedesk.api.request import Draft
        from airflow_provider_usedesk.operators.checks import known_params, option_errors, request_errors

        method = cls._method()
        params = known_params(given, method)
        errors = request_errors(
            lambda: cls._request(params) if is_complete else Draft(params, method).request()
        )
        return [*errors, *option_errors(given)]

    @cached_property
    def hook(self) -> UsedeskHook:
        from airflow_provider_usedesk.hooks.usedesk import UsedeskHook

        return UsedeskHook(usedesk_conn_id=self.usedesk_conn_id)

    @classmethod
    @abstractmethod
    def _method(cls) -> Method:
        """Return the method of the API that this operator calls."""

    @classmethod
    @abstractmethod
    def _request(cls, params: Mapping[str, Any]) -> Request:
        """
        Return the checked request of this operator.

        :param params: parameters of the method by name
        :raises UsedeskInvalidRequest: naming every invalid argument
        """

    def _params(self) -> dict[str, Any]:
        """Return the parameters of the method that this operator was given, with None for every null."""
        from airflow_provider_usedesk.api.hidden import HiddenDict
        from airflow_provider_usedesk.api.values import without_nulls

        parameters = self._method().arguments
        arguments = constructor_arguments(type(self))
        given = {name: getattr(self, name, None) for name in arguments if name in parameters}
        return HiddenDict(without_nulls(given))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral."""
        from airflow_provider_usedesk.compat.execution_timeout import take_carried_end

        return super().resume_execution(next_method, take_carried_end(self, next_kwargs), context)

    def _no_retry(self) -> AbstractContextManager[None]:
        """Fail the task without a retry on an error that a retry cannot repair, unless a policy decides."""
        from airflow_provider_usedesk.api.errors import UsedeskRejected
        from airflow_provider_usedesk.hooks.no_retry import no_retry

        has_policy = getattr(self, "retry_policy", None) is not None
        return nullcontext() if has_policy else no_retry(UsedeskRejected)

    def _push_ids(self, context: Context, ticket_id: int, others: Mapping[str, int | str]) -> None:
        if self._pushes_xcom():
            for key, value in {"ticket_id": ticket_id, **others}.items():
                context["ti"].xcom_push(key=key, value=value)
        self._push_link(context, ticket_id)

    def _with_link(self, text: str, ticket_id: int) -> str:
        """Return a text for the log, with the link to a ticket if it is known."""
        url = self.hook.ticket_url(ticket_id)
        return f"{text}: {url}" if url else f"{text}."

    def _push_link(self, context: Context, ticket_id: int | None) -> None:
        from airflow_provider_usedesk.links.ticket import push_ticket_url

        if ticket_id is not None and self._pushes_xcom():
            push_ticket_url(self, context, self.hook.ticket_url(ticket_id))

    def _pushes_xcom(self) -> bool:
        from airflow_provider_usedesk.compat.supervisor import serves_tasks

        # A callback in the Dag processor would wait for a reply until it is ended.
        return self.do_xcom_push and serves_tasks()

    def _template_environment(self, environment: Environment) -> Environment:
        from airflow_provider_usedesk.hooks.templates import strict_environment

        return strict_environment(environment)

    def _render_fields(
        self, names: Sequence[str], render: Callable[[str], None], is_rendered: Callable[[Any], bool]
    ) -> None:
        from airflow_provider_usedesk.api.values import is_null
        from airflow_provider_usedesk.operators.template_failures import TemplateFailures

        # A value that was rendered before must not be rendered again: a customer may have written it.
        known = self._rendered or {}
        unrendered = [name for name in names if name not in known or getattr(self, name) is not known[name]]
        empty = self._empty_mapped_arguments() & {*names, *self._method().arguments}
        given = empty.union(name for name in unrendered if not is_null(getattr(self, name, None)))
        failures = TemplateFailures()
        for name in unrendered:
            with failures.collecting(name):
                # What a mapped task got from upstream is a text, never the name of a file.
                if name == "message" and not is_rendered(self.message):
                    self.message = self._text_of_message(self.message)
                render(name)
        for name in given:
            if is_null(getattr(self, name)):
                # Unlike an argument that was not given, an empty result of a template must be noticed.
                setattr(self, name, "")
        rendered = {name: getattr(self, name) for name in unrendered if name not in failures}
        self._rendered = {**known, **rendered}
        with self._no_retry():
            failures.check(self)

    def _empty_mapped_arguments(self) -> set[str]:
        """Return the arguments that this task got as a null from the values that it is mapped over."""
        from airflow_provider_usedesk.api.values import is_null

        return {name for name, value in mapped_arguments(self).items() if is_null(value)}

    def _stand_in(self, name: str) -> str | None:
        return HIDDEN_VALUE if self._is_hidden(name) and not shows_values() else None

    def _is_hidden(self, name: str) -> bool:
        from airflow_provider_usedesk.api.values import is_empty

        return name in self._personal_fields and not is_empty(getattr(self, name))

    def _text_of_message(self, message: Any) -> Any:
        """Return the content of the template file that a message names, else the message."""
        from airflow_provider_usedesk.hooks.message_files import MESSAGE_FILES, names_file

        if not names_file(message):
            return message
        from jinja2 import DictLoader, TemplateNotFound

        from airflow_provider_usedesk.hooks.template_values import InvalidTemplate

        environment = self.get_template_env()
        try:
            return (environment.loader or DictLoader({})).get_source(environment, message)[0]
        except TemplateNotFound:
            # Without the name: it may be a text for a customer that happens to end like a file.
            raise InvalidTemplate(
                "ends like the name of a template file, but neither the folder of the Dag nor "
                f"template_searchpath has this file. A text cannot end in {', '.join(MESSAGE_FILES)}: "
                "append a space to it"
            ) from None

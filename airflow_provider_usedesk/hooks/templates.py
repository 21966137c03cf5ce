"""Jinja environments in which an empty value inside a text is an error."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from jinja2 import Environment, Template
    from jinja2.runtime import Context

Finalize = Callable[..., Any]


class InvalidTemplate(ValueError):
    """A template must be corrected; the text of the error contains nothing of the template."""


class EmptyValueInText(InvalidTemplate):
    """An expression inside a text has no value."""

    def __init__(self) -> None:
        super().__init__(
            "an expression inside its text has no value, and the text would say None or nan; give it a "
            "default, such as {{ params.name | default('customer', true) }}"
        )


class NullTextInText(InvalidTemplate):
    """An expression inside a text is the text of a missing value."""

    def __init__(self) -> None:
        super().__init__(
            "an expression inside its text is None, nan, NaT or <NA> as a text, to which a missing value was "
            "turned before; correct the data, or choose another text in the template"
        )


def strict_environment(environment: Environment) -> Environment:
    """
    Return an environment like another one, in which an expression inside a text must have a value.

    None, a NaN, the texts that they become (``None``, ``nan``), and a variable that does not exist are
    refused; an empty text is not. A text that is one expression as a whole is rendered by the other
    environment: its value is not given, or is checked later.

    :param environment: the environment of a Dag or an operator; its own options stay in force
    """
    strict: Any = environment.overlay(finalize=_refusing(environment.finalize))
    strict.__class__ = _strict_class(cast("Any", type(environment)))
    strict.lenient = environment
    return strict  # type: ignore[no-any-return]


@cache
def _strict_class(environment_class: type[Environment]) -> type[Environment]:
    class StrictEnvironment(environment_class):  # type: ignore[misc, valid-type]
        lenient: Environment

        def from_string(self, source: Any, *args: Any, **kwargs: Any) -> Template:
            one = isinstance(source, str) and _is_one_expression(source, self)
            make = self.lenient.from_string if one else super().from_string
            template: Template = make(source, *args, **kwargs)
            return template

    return StrictEnvironment


def _is_one_expression(text: str, environment: Environment) -> bool:
    start, end = environment.variable_start_string, environment.variable_end_string
    text = text.strip()
    return (
        text.startswith(start)
        and text.endswith(end)
        and text.count(start) == text.count(end) == 1
        and environment.block_start_string not in text
    )


def _refusing(finalize: Finalize | None) -> Finalize:
    """Return what Jinja calls with the value of each expression, after a function of the user."""
    from jinja2 import pass_context

    from airflow_provider_usedesk.api.values import is_null_text

    own = None if finalize is None else _with_context(finalize)

    # With the context, so that Jinja calls it when a template is rendered, not when it is compiled.
    @pass_context
    def refuse_empty(context: Context, value: Any) -> Any:
        found = value if own is None else own(context, value)
        if isinstance(found, str):
            if is_null_text(found):
                raise NullTextInText
        elif _is_empty(found):
            raise EmptyValueInText
        return found

    return refuse_empty


def _is_empty(value: Any) -> bool:
    from jinja2 import StrictUndefined, Undefined

    from airflow_provider_usedesk.api.values import is_null
    from airflow_provider_usedesk.compat.undefined import is_omitted_else

    if not isinstance(value, Undefined):
        return is_null(value)
    has_own_text = type(value).__str__.__module__ != "jinja2.runtime"
    # A strict one raises an error of its own.
    return not (isinstance(value, StrictUndefined) or has_own_text or is_omitted_else(value))


def _with_context(finalize: Finalize) -> Finalize:
    """Return a function of Jinja that takes a context and a value, whatever it takes itself."""
    kind = getattr(getattr(finalize, "jinja_pass_arg", None), "name", None)
    if kind == "context":
        return finalize
    if kind == "eval_context":
        return lambda context, value: finalize(context.eval_ctx, value)
    if kind == "environment":
        return lambda context, value: finalize(context.environment, value)
    return lambda context, value: finalize(value)

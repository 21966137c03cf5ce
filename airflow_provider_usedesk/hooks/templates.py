"""Jinja environments in which an empty value inside a text is an error."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_usedesk.hooks.template_values import (
    InvalidTemplate,
    filled,
    not_null,
    strict_filters,
    strict_generator,
)

if TYPE_CHECKING:
    from jinja2 import Environment, Template
    from jinja2.runtime import Context

__all__ = ["InvalidTemplate", "strict_environment"]

Finalize = Callable[..., Any]


def strict_environment(environment: Environment, *, refuses_null: bool = False) -> Environment:
    """
    Return an environment like another one, in which an expression inside a text must have a value.

    None, a NaN, the texts that they become (``None``, ``nan``), and a variable that does not exist are
    refused; an empty text is not. What ``~`` and the filters of Jinja for texts take must have a value, too.
    A text that is one expression as a whole may be empty: its value is not given, or is checked later.

    :param environment: the environment of a Dag or an operator; its own options stay in force
    :param refuses_null: whether a text that is one expression must not become the text None or nan, because
        nobody checks it later
    """
    from jinja2.nativetypes import NativeEnvironment

    own = environment.finalize
    becomes_text = refuses_null and not isinstance(environment, NativeEnvironment)
    strict = _overlay(environment, _after(own, filled))
    strict.whole = _overlay(environment, _after(own, not_null) if becomes_text else own)
    return strict  # type: ignore[no-any-return]


def _overlay(environment: Environment, finalize: Finalize | None) -> Any:
    overlay: Any = environment.overlay(finalize=finalize)
    overlay.__class__ = _strict_class(cast("Any", type(environment)))
    overlay.filters = {**environment.filters, **strict_filters(environment.filters)}
    return overlay


@cache
def _strict_class(environment_class: type[Environment]) -> type[Environment]:
    class StrictEnvironment(environment_class):  # type: ignore[misc, valid-type]
        code_generator_class = strict_generator(cast("Any", environment_class.code_generator_class))
        whole: Environment | None = None

        def from_string(self, source: Any, *args: Any, **kwargs: Any) -> Template:
            if self.whole is not None and isinstance(source, str) and _is_one_expression(source, self):
                return self.whole.from_string(source, *args, **kwargs)
            template: Template = super().from_string(source, *args, **kwargs)
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


def _after(finalize: Finalize | None, check: Callable[[Any], Any]) -> Finalize:
    """Return what Jinja calls with the value of each expression: a function of the user, then a check."""
    from jinja2 import pass_context

    own = None if finalize is None else _with_context(finalize)

    # With the context, so that Jinja calls it when a template is rendered, not when it is compiled.
    @pass_context
    def checked(context: Context, value: Any) -> Any:
        return check(value if own is None else own(context, value))

    return checked


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

"""The places where Jinja makes a text of values: filters and ``~``, which accept no empty value here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Undefined
    from jinja2.compiler import CodeGenerator
    from jinja2.nodes import EvalContext, Template

Filter = Callable[..., Any]

# Filters of Jinja that make the text "None" of None.
TEXT_FILTERS = (
    *("capitalize", "center", "e", "escape", "forceescape", "format", "lower", "replace", "safe", "string"),
    *("striptags", "title", "trim", "upper", "urlencode", "urlize"),
)

# A name that no template can write.
CHECK = "usedesk: has a value"


class InvalidTemplate(ValueError):
    """A template must be corrected; the text of the error contains nothing of the template."""


class EmptyValueInText(InvalidTemplate):
    """An expression in a text has no value."""

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


def filled(value: Any) -> Any:
    """
    Return a value that becomes a part of a text.

    :param value: the value of an expression
    :raises EmptyValueInText: if it is None, a NaN, or a variable that does not exist
    :raises NullTextInText: if it is the text of such a value
    """
    from airflow_provider_usedesk.api.values import is_null_text

    if is_null_text(value):
        raise NullTextInText
    return given(value)


def given(value: Any) -> Any:
    """
    Return a value that a filter makes a text of.

    :param value: the value of an expression
    :raises EmptyValueInText: if it is None, a NaN, or a variable that does not exist
    """
    from jinja2 import Undefined

    if isinstance(value, Undefined) and _is_refused(value):
        raise EmptyValueInText
    return not_null(value)


def not_null(value: Any) -> Any:
    """
    Return a value that becomes a text as a whole.

    :param value: the value of an expression
    :raises EmptyValueInText: if it is None or a NaN
    """
    from airflow_provider_usedesk.api.values import is_null

    if is_null(value):
        raise EmptyValueInText
    return value


def strict_filters(filters: Mapping[str, Filter]) -> dict[str, Filter]:
    """
    Return filters to use in place of those of Jinja.

    :param filters: the filters of an environment; one that replaces a filter of Jinja stays
    """
    from jinja2.filters import FILTERS

    texts = {name: _given_arguments(filters[name]) for name in TEXT_FILTERS}
    own = {**texts, "join": _filled_items(filters["join"])}
    return {CHECK: filled, **{name: own[name] for name in own if filters[name] is FILTERS[name]}}


@cache
def strict_generator(generator: type[CodeGenerator]) -> type[CodeGenerator]:
    """
    Return a generator of code in which each part of ``a ~ b`` must have a value.

    :param generator: the generator of an environment that has :func:`strict_filters`
    """
    from jinja2 import nodes

    class StrictGenerator(generator):  # type: ignore[misc, valid-type]
        def visit_Template(self, node: Template, frame: Any = None) -> None:  # noqa: N802
            for joined in list(node.find_all(nodes.Concat)):
                joined.nodes = [_checked(part) for part in joined.nodes]
            super().visit_Template(node, frame)

    return StrictGenerator


def _checked(part: Any) -> Any:
    from jinja2 import nodes

    if isinstance(part, nodes.Const) and isinstance(part.value, str):
        return part
    check = nodes.Filter(part, CHECK, [], [], None, None, lineno=part.lineno)
    return check.set_environment(part.environment)


def _given_arguments(text_filter: Filter) -> Filter:
    # What Jinja passes before the value, such as a context, is never empty.
    @wraps(text_filter)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for value in (*args, *kwargs.values()):
            given(value)
        return text_filter(*args, **kwargs)

    return checked


def _filled_items(join: Filter) -> Filter:
    from jinja2 import pass_eval_context
    from jinja2.filters import make_attrgetter

    @pass_eval_context
    def checked(
        eval_ctx: EvalContext, value: Iterable[Any], d: str = "", attribute: str | int | None = None
    ) -> Any:
        if attribute is not None:
            value = map(make_attrgetter(eval_ctx.environment, attribute), value)
        return join(eval_ctx, [filled(item) for item in value], d)

    return checked


def _is_refused(value: Undefined) -> bool:
    from jinja2 import StrictUndefined

    from airflow_provider_usedesk.compat.undefined import is_omitted_else

    has_own_text = type(value).__str__.__module__ != "jinja2.runtime"
    # A strict one raises an error of its own.
    return not (isinstance(value, StrictUndefined) or has_own_text or is_omitted_else(value))

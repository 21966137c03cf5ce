"""The rendering of template fields, where Airflow has no public interface for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar, cast

from airflow_provider_usedesk.compat.sdk import conf

HIDDEN_VALUE = "***"
"""What Airflow stores in place of a hidden value."""

OperatorClass = TypeVar("OperatorClass", bound=type)


class Hidden:
    """
    A value that its holder does not show: neither to ``repr()`` nor to whoever reads its attributes.

    :param value: the value
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return HIDDEN_VALUE


class HiddenAttribute:
    """
    An attribute that has its value in code, and that ``vars()`` shows as ``***``.

    A listener of Airflow may emit all attributes of a task, as OpenLineage does with full task info.
    """

    def __init__(self, name: str, *default: Any) -> None:
        self._name, self._default = name, default

    def __get__(self, task: Any, owner: type) -> Any:
        if task is None:
            return self._default[0] if self._default else self
        try:
            found = vars(task)[self._name]
        except KeyError:
            if self._default:
                return self._default[0]
            raise AttributeError(f"{owner.__name__!r} object has no attribute {self._name!r}") from None
        return found.value if type(found) is Hidden else found

    def __set__(self, task: Any, value: Any) -> None:
        # A copy of a task on Airflow 2 sets what vars() shows.
        vars(task)[self._name] = value if value is None or type(value) is Hidden else Hidden(value)

    def __delete__(self, task: Any) -> None:
        if vars(task).pop(self._name, self) is self:
            raise AttributeError(self._name)


class HidingFields(tuple[str, ...]):
    """
    The template fields of one task, of which Airflow stores some as another text, such as ``***``.

    Every version of Airflow stores and prints the rendered fields in one way: it iterates over
    ``template_fields`` and reads the attribute of each name. While the iteration stands at such a field,
    its attribute is that text. At any other time the attribute has its value, so that ``execute``,
    ``pre_execute`` and callbacks read what is sent.
    """

    _task: Any
    _stand_in: Callable[[str], str | None]

    @classmethod
    def of(cls, task: Any, names: Iterable[str], stand_in: Callable[[str], str | None]) -> HidingFields:
        """
        Return the template fields of a task.

        :param task: the operator
        :param names: the names of its template fields
        :param stand_in: returns for a name the text that Airflow stores in place of its present value; None
            for the value itself
        """
        fields = cls(names)
        fields._task, fields._stand_in = task, stand_in
        return fields

    def __iter__(self) -> Iterator[str]:
        for name in super().__iter__():
            stand_in = self._stand_in(name)
            with nullcontext() if stand_in is None else _replaced(self._task, name, stand_in):
                yield name


def hide_attributes(operator_class: type, names: Set[str]) -> None:
    """
    Hide attributes of all tasks of an operator class from ``vars()``.

    :param operator_class: the class; an attribute that it sets itself is the default of its tasks
    :param names: names of the attributes; a property of the class stays as it is
    """
    own: dict[str, Any] = {}
    # Every import of an operator does this; most classes hide what their base class hides already.
    for one in reversed(operator_class.__mro__):
        namespace = vars(one)
        own.update({name: namespace[name] for name in namespace.keys() & names})
    for name in names:
        default = (own[name],) if name in own else ()
        if not hasattr(own.get(name), "__set__"):
            setattr(operator_class, name, HiddenAttribute(name, *default))


def with_rendering_hook(operator_class: OperatorClass) -> OperatorClass:
    """
    Let an operator class render its own template fields, in mapped tasks too.

    Airflow calls no public method of the operator when it renders a mapped task, and it logs the source of
    a template that fails. The class has these methods:

    ``_render_fields(names, render, is_rendered)``
        gets the names of the template fields, a function that renders one of them, and a function that
        returns whether a value is rendered already (as what a mapped task got from upstream)
    ``_template_environment(environment)``
        returns the environment to use in place of that of the Dag
    ``_stand_in(name)``
        returns the text that Airflow stores in place of the present value of a field; None for the value
    ``_personal_fields``
        the attributes that ``vars()`` of a task does not show
    """

    def _do_render_template_fields(
        self: Any,
        parent: Any,
        template_fields: Iterable[str],
        context: Any,
        jinja_env: Any,
        seen_oids: set[int],
        **options: Any,
    ) -> None:
        if parent is not self:
            for name in template_fields:
                _render_field(self, parent, name, context, jinja_env, seen_oids)
            return
        names = list(template_fields)
        # Before the values are there: Airflow may store them although the rendering of one of them fails.
        self.template_fields = HidingFields.of(self, names, self._stand_in)
        environment = self._template_environment(jinja_env)
        try:
            self._render_fields(
                names,
                lambda name: _render_field(self, self, name, context, environment, seen_oids),
                lambda value: id(value) in seen_oids,
            )
        finally:
            # Airflow keeps all arguments here, too, and uses them only while it parses a Dag.
            object.__setattr__(self, "_BaseOperator__init_kwargs", {})

    hide_attributes(operator_class, cast("Any", operator_class)._personal_fields)
    cast("Any", operator_class)._do_render_template_fields = _do_render_template_fields
    return operator_class


def mapped_arguments(task: Any) -> dict[str, Any]:
    """
    Return the arguments that a mapped task got from the values that it is mapped over.

    :param task: the operator of one map index
    """
    if not getattr(task, "_BaseOperator__from_mapped", False):
        return {}
    mapped = task.dag.task_dict.get(task.task_id) if task.has_dag() else None
    shared = getattr(mapped, "partial_kwargs", {})
    given = getattr(task, "_BaseOperator__init_kwargs", {})
    return {name: value for name, value in given.items() if name not in shared}


def shows_values() -> bool:
    """Return whether Airflow stores personal values, too, during development."""
    return bool(conf.getboolean("usedesk", "show_values", fallback=False))


def _render_field(
    task: Any, parent: Any, name: str, context: Any, environment: Any, seen_oids: set[int]
) -> None:
    """Render one field as Airflow does, without its log of the template if that fails."""
    value = getattr(parent, name)
    if _is_false(value):
        return
    if callable(value):
        rendered = value(context=context, jinja_env=environment)
    else:
        rendered = task.render_template(value, context, environment, seen_oids)
    setattr(parent, name, rendered)


def _is_false(value: Any) -> bool:
    try:
        return not value
    except Exception:
        # As a data frame, which may have templates nevertheless.
        return False


@contextmanager
def _replaced(task: Any, name: str, stand_in: str) -> Iterator[None]:
    value = getattr(task, name)
    # Not setattr(): on an operator that acts on template fields.
    object.__setattr__(task, name, stand_in)
    try:
        yield
    finally:
        if getattr(task, name) is stand_in:
            object.__setattr__(task, name, value)

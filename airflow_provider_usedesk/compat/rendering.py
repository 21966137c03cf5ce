"""The rendering of template fields, where Airflow has no public interface for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar, cast

HIDDEN_VALUE = "***"
"""What Airflow stores in place of a hidden value."""

OperatorClass = TypeVar("OperatorClass", bound=type)


class HidingFields(tuple[str, ...]):
    """
    The template fields of one task, of which Airflow stores some as ``***``.

    Every version of Airflow stores and prints the rendered fields in one way: it iterates over
    ``template_fields`` and reads the attribute of each name. While the iteration stands at a hidden field,
    its attribute is ``***``. At any other time the attribute has its value, so that ``execute``,
    ``pre_execute`` and callbacks read what is sent.
    """

    _task: Any
    _is_hidden: Callable[[str], bool]

    @classmethod
    def of(cls, task: Any, names: Iterable[str], is_hidden: Callable[[str], bool]) -> HidingFields:
        """
        Return the template fields of a task.

        :param task: the operator
        :param names: the names of its template fields
        :param is_hidden: returns for a name whether its present value is hidden
        """
        fields = cls(names)
        fields._task, fields._is_hidden = task, is_hidden
        return fields

    def __iter__(self) -> Iterator[str]:
        for name in super().__iter__():
            with _hidden(self._task, name) if self._is_hidden(name) else nullcontext():
                yield name


def with_rendering_hook(operator_class: OperatorClass) -> OperatorClass:
    """
    Let an operator class act around the rendering of its own template fields, in mapped tasks too.

    Airflow calls no public method of the operator when it renders a mapped task. The class has these methods:

    ``_around_rendering(names, is_rendered)``
        a context manager; it gets the names of the template fields and a function that returns whether a
        value is rendered already (as what a mapped task got from upstream), and returns the names to render
    ``_is_hidden(name)``
        returns whether Airflow stores ``***`` in place of the present value of a field
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
        render = super(cast("Any", operator_class), self)._do_render_template_fields
        if parent is not self:
            render(parent, template_fields, context, jinja_env, seen_oids, **options)
            return
        names = list(template_fields)
        # Before the values are there: Airflow may store them although the rendering of one of them fails.
        self.template_fields = HidingFields.of(self, names, self._is_hidden)
        with self._around_rendering(names, lambda value: id(value) in seen_oids) as unrendered:
            render(parent, unrendered, context, jinja_env, seen_oids, **options)

    cast("Any", operator_class)._do_render_template_fields = _do_render_template_fields
    return operator_class


@contextmanager
def _hidden(task: Any, name: str) -> Iterator[None]:
    value = getattr(task, name)
    # Not setattr(): on an operator that acts on template fields.
    object.__setattr__(task, name, HIDDEN_VALUE)
    try:
        yield
    finally:
        if getattr(task, name) is HIDDEN_VALUE:
            object.__setattr__(task, name, value)

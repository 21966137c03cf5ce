"""From a row to the parameters of its message: shared arguments, the row's own, and templates."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest

if TYPE_CHECKING:
    from jinja2 import Environment, UndefinedError

Render = Callable[[Mapping[str, Any]], Any]


class InvalidRow(ValueError):
    """
    Report what is wrong with one row.

    :param validation_errors: one sentence for each error, without any content of the row
    """

    def __init__(self, validation_errors: Sequence[str]) -> None:
        self.validation_errors = tuple(validation_errors)
        super().__init__("; ".join(self.validation_errors))


class RowParams:
    """
    Make the parameters of each row.

    A column that is named like a parameter goes over the shared argument, a template over both.

    :param shared: the arguments that all rows share
    :param names: which columns are parameters
    :param templates: parameters whose texts are rendered for each row, with the row as ``row``
    :param key: name of the column that tells rows apart, or a template
    :param environment: renders to texts; that of the Dag
    :param context: what templates know beside ``row``
    :raises UsedeskInvalidRequest: naming every template that is none
    """

    def __init__(
        self,
        shared: Mapping[str, Any],
        names: frozenset[str],
        templates: Mapping[str, Any],
        key: str,
        environment: Environment,
        context: Mapping[str, Any],
    ) -> None:
        from jinja2 import StrictUndefined

        self._shared = shared
        self._names = names
        self._key = key
        self._sources: dict[str, Any] = {}
        # What a row does not have is a error, also in a Dag that lets it pass.
        self._environment = environment.overlay(undefined=StrictUndefined)
        # Looked up where it is: some of it is made, or warns, when it is copied.
        self._known = ChainMap[str, Any]({}, cast("Any", context), environment.globals)
        self._templates, validation_errors = self._compiled(templates)
        self._render_key, faults_of_key = self._compiled({"row_key": key} if _is_template(key) else {})
        if validation_errors or faults_of_key:
            raise UsedeskInvalidRequest(
                [*faults_of_key, *(f"row_template: {error}" for error in validation_errors)]
            )

    def key(self, columns: Mapping[str, Any]) -> str:
        """
        Return what tells a row from the others.

        :raises InvalidRow: when it has nothing of the kind
        """
        rendered = self._rendered(self._render_key, columns)
        value = rendered["row_key"] if rendered else columns.get(self._key)
        text = str("" if value is None else value).strip()
        if text in ("", "None"):
            raise InvalidRow([f"row_key: the row has nothing in {self._key!r}"])
        if not _is_unicode(text):
            raise InvalidRow(["row_key: holds half of a surrogate pair, which is no text"])
        return text

    def parameters(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return the parameters of a row, unchecked.

        :raises InvalidRow: naming every template that cannot be rendered
        """
        own = {name: value for name, value in columns.items() if name in self._names and value is not None}
        rendered = self._rendered(self._templates, columns)
        # Not the same as not given: a template that finds nothing must not go unnoticed.
        filled = {name: "" if value is None else value for name, value in rendered.items()}
        return {**self._shared, **own, **filled}

    def _compiled(self, templates: Mapping[str, Any]) -> tuple[dict[str, Render], list[str]]:
        from jinja2 import TemplateError

        self._sources.update(templates)
        compiled: dict[str, Render] = {}
        validation_errors: list[str] = []
        for name, value in templates.items():
            try:
                compiled[name] = _renderer(value, self._environment)
            except TemplateError as error:
                validation_errors.append(f"{name}: is no template: {error}")
        return compiled, validation_errors

    def _rendered(self, templates: Mapping[str, Render], columns: Mapping[str, Any]) -> dict[str, Any]:
        from jinja2 import UndefinedError

        known = self._known.new_child({"row": Columns(columns)})
        rendered: dict[str, Any] = {}
        validation_errors: list[str] = []
        for name, render in templates.items():
            try:
                rendered[name] = render(known)
            except UndefinedError as error:
                validation_errors.append(f"{name}: {_missing(error, self._sources[name])}")
            except Exception as error:
                validation_errors.append(f"{name}: its template failed ({type(error).__name__})")
        if validation_errors:
            raise InvalidRow(validation_errors)
        return rendered


class Columns:
    """
    Hold the columns of a row so that templates find each as ``row.name``, whatever it is called.

    It has no methods: where a row has no column ``items`` or ``get``, there is nothing of that name.

    :param columns: values by the names of their columns
    """

    __slots__ = ("__columns",)

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.__columns = columns

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__columns[name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, name: str) -> Any:
        return self.__columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.__columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.__columns)

    def __len__(self) -> int:
        return len(self.__columns)

    def __repr__(self) -> str:
        return "row"


def _renderer(value: Any, environment: Environment) -> Render:
    """Compile the templates in a value once, for all rows."""
    if isinstance(value, str):
        if not _is_template(value):
            return lambda known: value
        template = environment.from_string(value)
        # Not template.render(), which copies all that is known for each text of each row.
        return lambda known: "".join(
            template.root_render_func(template.new_context(cast("Any", known), shared=True))
        )
    if isinstance(value, Mapping):
        parts = {name: _renderer(item, environment) for name, item in value.items()}
        return lambda known: {name: render(known) for name, render in parts.items()}
    if isinstance(value, (list, tuple)):
        items = [_renderer(item, environment) for item in value]
        return lambda known: [render(known) for render in items]
    return lambda known: value


def _missing(error: UndefinedError, template: Any) -> str:
    """Say what a template did not find; not where a value of the row may have named it."""
    found = re.search(r"'([^']*)'( is undefined)?\Z", error.message or "")
    if found is None or not re.search(rf"\b{re.escape(found[1])}\b", str(template)):
        return "its template looks for something that is not there"
    if Columns.__name__ in str(error):
        return f"the row has no column {found[1]!r}"
    return f"{found[1]!r} is undefined"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_template(text: str) -> bool:
    return "{{" in text or "{%" in text or "{#" in text

"""The parameters of a row: shared arguments, the columns of the row, and templates."""

from __future__ import annotations

import json
import re
from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from jinja2 import StrictUndefined, Undefined, UndefinedError

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.api.values import is_null, is_null_text, name_text, without_nulls
from airflow_provider_usedesk.hooks.literals import is_template
from airflow_provider_usedesk.hooks.templates import InvalidTemplate, strict_environment

if TYPE_CHECKING:
    from jinja2 import Environment

Render = Callable[[Mapping[str, Any]], Any]


class InvalidRow(ValueError):
    """
    A row is not valid.

    :param validation_errors: a sentence for each error, without any content of the row
    """

    def __init__(self, validation_errors: Sequence[str]) -> None:
        self.validation_errors = tuple(validation_errors)
        super().__init__("; ".join(self.validation_errors))


class RowParams:
    """
    Builds the parameters of each row.

    A column that is named like a parameter overrides the shared argument, and a template overrides both.

    :param shared: the arguments that all rows share
    :param names: names of the parameters
    :param templates: parameters whose texts are rendered for each row, with the row as ``row``
    :param key: the column that identifies a row, or a template
    :param environment: renders templates to texts
    :param context: the other variables of the templates
    :raises UsedeskInvalidRequest: naming every template that is not valid
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
        self._shared = shared
        self._names = names
        self._key = key
        self._sources: dict[str, Any] = {}
        # A missing column is an error, also in a Dag that allows undefined variables.
        self._environment = strict_environment(environment.overlay(undefined=StrictUndefined))
        # Not copied: some of the context is computed, or warns, when it is read.
        self._variables = ChainMap[str, Any]({}, cast("Any", context), environment.globals)
        self._templates, validation_errors = self._compiled(templates)
        self._render_key, key_errors = self._compiled({"row_key": key} if is_template(key) else {})
        if validation_errors or key_errors:
            raise UsedeskInvalidRequest(
                [*key_errors, *(f"row_template: {error}" for error in validation_errors)]
            )

    def key(self, columns: Mapping[str, Any], names: Collection[str] = ()) -> str:
        """
        Return the key of a row.

        :param columns: the columns of the row that have a value
        :param names: all columns of the row; default: those
        :raises InvalidRow: if it has no key
        """
        names = names or columns.keys()
        value = self._key_value(columns, names)
        text = "" if is_null(value) else name_text(value)
        if not text or is_null_text(text):
            is_template = bool(self._render_key)
            fault = "its template is empty" if is_template else _no_value(self._key, names)
            raise InvalidRow([f"row_key: {fault}"])
        if not _is_unicode(text):
            raise InvalidRow(["row_key: contains half of a surrogate pair, which is not valid Unicode"])
        return text

    def parameters(self, columns: Mapping[str, Any], names: Collection[str] = ()) -> dict[str, Any]:
        """
        Return the parameters of a row, which are not checked.

        :param columns: the columns of the row that have a value
        :param names: all columns of the row; default: those
        :raises InvalidRow: naming every template that cannot be rendered
        """
        names = names or columns.keys()
        columns = without_nulls(columns)
        own = {name: value for name, value in columns.items() if name in self._names and value is not None}
        rendered = self._rendered(self._templates, columns, names)
        # Unlike an argument that was not given, an empty result of a template must be noticed.
        filled = {name: "" if is_null(value) else value for name, value in rendered.items()}
        return {**self._shared, **own, **filled}

    def fingerprint(self, *others: object) -> str | None:
        """
        Return a hash of the shared arguments, the templates and the key, to notice a change between attempts.

        :param others: more values to include
        :return: the hash; None if the arguments have values that cannot be compared with those of another
            process
        """
        values = [self._shared, self._sources, self._key, *map(str, others)]
        try:
            return sha256(json.dumps(values).encode()).hexdigest()
        except (TypeError, ValueError, RecursionError):
            return None

    def _key_value(self, columns: Mapping[str, Any], names: Collection[str]) -> Any:
        if not self._render_key:
            return columns.get(self._key)
        return self._rendered(self._render_key, without_nulls(columns), names)["row_key"]

    def _compiled(self, templates: Mapping[str, Any]) -> tuple[dict[str, Render], list[str]]:
        from jinja2 import TemplateError

        self._sources.update(templates)
        compiled: dict[str, Render] = {}
        validation_errors: list[str] = []
        for name, value in templates.items():
            try:
                compiled[name] = _renderer(value, self._environment)
            except TemplateError as error:
                validation_errors.append(f"{name}: is not a valid template: {error}")
        return compiled, validation_errors

    def _rendered(
        self, templates: Mapping[str, Render], columns: Mapping[str, Any], names: Collection[str]
    ) -> dict[str, Any]:
        if not templates:
            return {}
        variables = self._variables.new_child({"row": Columns(columns, names)})
        rendered: dict[str, Any] = {}
        validation_errors: list[str] = []
        for name, render in templates.items():
            try:
                rendered[name] = render(variables)
            except UndefinedError as error:
                validation_errors.append(f"{name}: {_missing(error, self._sources[name], names)}")
            except InvalidTemplate as error:
                validation_errors.append(f"{name}: {error}")
            except Exception as error:
                validation_errors.append(f"{name}: its template failed ({type(error).__name__})")
        if validation_errors:
            raise InvalidRow(validation_errors)
        return rendered


class EmptyColumn(Undefined):
    """
    A column without a value in a template.

    Unlike a column that does not exist, it can be compared, as in ``{% if row.name %}``; a text cannot
    contain it.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return StrictUndefined.__str__(self)  # type: ignore[call-arg]


class Columns:
    """
    The columns of a row in a template, where each is ``row.name``.

    It has no methods, so that ``row.items`` and ``row.get`` are columns, too.

    :param columns: the columns that have a value
    :param names: all columns; default: those
    """

    __slots__ = ("__columns", "__names")

    def __init__(self, columns: Mapping[str, Any], names: Collection[str] = ()) -> None:
        self.__columns = columns
        self.__names = names

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, name: str) -> Any:
        value = self.__columns.get(name)
        if value is not None:
            return value
        if name in self.__names:
            return EmptyColumn(obj=self, name=name)
        raise KeyError(name)

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
        if not is_template(value):
            return lambda variables: value
        template = environment.from_string(value)
        context_class, name, blocks = environment.context_class, template.name, template.blocks
        # Not template.render(), which copies all variables for each text of each row.
        return lambda variables: "".join(
            template.root_render_func(context_class(environment, cast("Any", variables), name, blocks))
        )
    if isinstance(value, Mapping):
        parts = {name: _renderer(item, environment) for name, item in value.items()}
        return lambda variables: {name: render(variables) for name, render in parts.items()}
    if isinstance(value, (list, tuple)):
        items = [_renderer(item, environment) for item in value]
        return lambda variables: [render(variables) for render in items]
    return lambda variables: value


def _missing(error: UndefinedError, template: Any, names: Collection[str]) -> str:
    """Return what a template did not find, unless a value of the row may be in its name."""
    found = re.search(r"'([^']*)'( is undefined)?\Z", error.message or "")
    # A heading may end with a dot, where no word ends.
    if found is None or not re.search(rf"(?<!\w){re.escape(found[1])}(?!\w)", str(template)):
        return "its template uses something that does not exist"
    if Columns.__name__ in str(error):
        return _no_value(found[1], names)
    return f"{found[1]!r} is undefined"


def _no_value(name: str, names: Collection[str]) -> str:
    return f"column {name!r} is empty" if name in names else f"the row has no column {name!r}"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

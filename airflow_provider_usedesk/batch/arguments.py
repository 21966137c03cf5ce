"""From a row to the parameters of its message: shared arguments, the row's own, and templates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

Render = Callable[[Mapping[str, Any]], Any]


class FaultyRow(ValueError):
    """
    Report what is wrong with one row.

    :param faults: one sentence for each fault, without any content of the row
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


class RowArguments:
    """
    Make the parameters of each row.

    A column that is named like a parameter goes over the shared argument, a template over both.

    :param shared: the arguments that all rows share
    :param names: which columns are parameters
    :param templates: parameters whose texts are rendered for each row, with the row as ``row``
    :param key: name of the column that tells rows apart, or a template
    :param environment: renders; that of the Dag
    :param context: what templates know beside ``row``
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
        self._context = context
        self._templates = {name: _renderer(value, environment) for name, value in templates.items()}
        self._key = key
        self._render_key = _renderer(key, environment) if _is_template(key) else None

    def key(self, columns: Mapping[str, Any]) -> str:
        """
        Return what tells a row from the others.

        :raises FaultyRow: when it has nothing of the kind
        """
        if self._render_key is None:
            value = columns.get(self._key)
        else:
            value = self._rendered("row_key", self._render_key, self._known(columns))
        if (text := str("" if value is None else value).strip()) in ("", "None"):
            raise FaultyRow([f"row_key: the row has nothing in {self._key!r}"])
        return text

    def parameters(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return the parameters of a row, unchecked.

        :raises FaultyRow: naming every template that cannot be rendered
        """
        own = {name: value for name, value in columns.items() if name in self._names and value is not None}
        return {**self._shared, **own, **self._all_rendered(columns)}

    def _all_rendered(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        known = self._known(columns)
        rendered: dict[str, Any] = {}
        faults: list[str] = []
        for name, render in self._templates.items():
            try:
                rendered[name] = self._rendered(name, render, known)
            except FaultyRow as fault:
                faults.extend(fault.faults)
        if faults:
            raise FaultyRow(faults)
        # Not the same as not given: a template that finds nothing must not go unnoticed.
        return {name: "" if value is None else value for name, value in rendered.items()}

    def _known(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._context, "row": Columns(columns)}

    @staticmethod
    def _rendered(name: str, render: Render, known: Mapping[str, Any]) -> Any:
        from jinja2 import UndefinedError

        try:
            return render(known)
        except UndefinedError as error:
            # It names what was not found, and no value.
            raise FaultyRow([f"{name}: {error}"]) from None
        except Exception as error:
            raise FaultyRow([f"{name}: its template failed ({type(error).__name__})"]) from None


class Columns(Mapping[str, Any]):
    """
    Hold the columns of a row so that templates find each as ``row.name``, whatever it is called.

    :param columns: values by the names of their columns
    """

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.__columns = columns

    def __getattribute__(self, name: str) -> Any:
        # Before the methods of a mapping: a column may be called items.
        if not name.startswith("_"):
            columns = object.__getattribute__(self, "_Columns__columns")
            if name in columns:
                return columns[name]
        return object.__getattribute__(self, name)

    def __getitem__(self, name: str) -> Any:
        return self.__columns[name]

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
        return environment.from_string(value).render
    if isinstance(value, Mapping):
        parts = {name: _renderer(item, environment) for name, item in value.items()}
        return lambda known: {name: render(known) for name, render in parts.items()}
    if isinstance(value, (list, tuple)):
        items = [_renderer(item, environment) for item in value]
        return lambda known: [render(known) for render in items]
    return lambda known: value


def _is_template(text: str) -> bool:
    return "{{" in text or "{%" in text or "{#" in text

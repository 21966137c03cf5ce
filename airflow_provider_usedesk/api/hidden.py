"""Values whose representation shows nothing, because tools print the local variables of a traceback."""

from __future__ import annotations

from typing import Any, SupportsIndex


class HiddenText(str):
    """A text whose ``repr``, and that of its parts, does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, key: SupportsIndex | slice) -> HiddenText:
        return HiddenText(super().__getitem__(key))


class HiddenBytes(bytes):
    """Bytes whose ``repr``, and that of their parts, does not show them."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"

    __str__ = __repr__

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        return HiddenBytes(part) if isinstance(part, bytes) else part


class HiddenDict(dict[str, Any]):
    """A dict whose ``repr`` shows only its keys."""

    def __repr__(self) -> str:
        return f"<{', '.join(map(str, self))}>"


def moved(params: Any) -> HiddenDict:
    """
    Return the items of a dict, and empty it.

    A function that passes its keyword arguments on, and then waits, keeps none of them as a local variable.

    :param params: the keyword arguments, a dict
    """
    taken = HiddenDict(params)
    params.clear()
    return taken

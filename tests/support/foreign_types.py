"""Stand-ins for values of pandas and numpy, which neither the package nor its tests install."""

from __future__ import annotations

import numbers
from typing import Any


class NAType:
    """Like pandas.NA: a comparison has no truth value."""

    def __ne__(self, other: object) -> Any:
        return self

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")

    def __str__(self) -> str:
        return "<NA>"


class NaTType:
    """Like pandas.NaT: it differs from itself."""

    def __ne__(self, other: object) -> bool:
        return True

    def __str__(self) -> str:
        return "NaT"


class Foreign:
    """A number that is no int or float of Python."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __int__(self) -> int:
        return int(self._value)

    def __float__(self) -> float:
        return float(self._value)

    def __str__(self) -> str:
        return str(self._value)


@numbers.Integral.register
class Int64(Foreign):
    """Like numpy.int64."""

    def __index__(self) -> int:
        return int(self._value)


@numbers.Real.register
class Float32(Foreign):
    """Like numpy.float32, which has no __trunc__."""

    def __ne__(self, other: object) -> bool:
        return self._value != float(other)  # type: ignore[arg-type]


def numpy_bool(value: bool) -> Any:
    """Return a value like numpy.True_ or numpy.False_, whose class is no subclass of bool."""
    kind = type(
        "bool",
        (),
        {"__module__": "numpy", "__bool__": lambda self: value, "__str__": lambda self: str(value)},
    )
    return kind()

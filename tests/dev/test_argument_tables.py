"""The tables of arguments on the documentation site."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from airflow_provider_usedesk.api.parameters import CreateTicketParameters
from dev import argument_tables
from dev.argument_tables import arguments_of, table_lines, without_parameters

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PUBLIC = re.compile(r"autoclass:: (\S+)\.(\w+(?:Operator|Sensor|Notifier|EventsTrigger))$", re.MULTILINE)
# Airflow 2 has a method of the name dry_run.
ATTRIBUTES = {"dry_run": "dry_run_"}
Choice = Literal["first", "row"]
Key = int | str


def shown_classes() -> list[type]:
    pages = (page.read_text("utf-8") for page in sorted(REFERENCE.glob("*.md")))
    found = (match for text in pages for match in PUBLIC.findall(text))
    return [getattr(importlib.import_module(module), name) for module, name in found]


class Base:
    """
    Take what every task needs.

    :param wait: how long to wait,
        in seconds
    :param conn_id: the connection (templated)
    """

    def __init__(self, *, wait: timedelta = timedelta(seconds=30), conn_id: str = "main", **kwargs: Any):
        self.wait, self.conn_id = wait, conn_id


class Chained(Base):
    """
    Take own arguments, and pass the others on.

    :param validate: when to check; default: before the first row
    :param rows: the rows
    :raises ValueError: when a row
        is not valid
    """

    def __init__(self, *, validate: Choice | None = "first", rows: Sequence[Key], **kwargs: Any):
        super().__init__(**kwargs)


class WrittenOut(Base):
    """
    Take all arguments.

    :param validate: when to check; default: before the first row
    :param rows: the rows
    """

    def __init__(
        self,
        *,
        validate: Choice | None = "first",
        rows: Sequence[Key],
        wait: timedelta = timedelta(seconds=30),
        conn_id: str = "main",
        **kwargs: Any,
    ):
        super().__init__(wait=wait, conn_id=conn_id, **kwargs)


class Undescribed(Base):
    def __init__(self, *, speed: int, **kwargs: Any):
        super().__init__(**kwargs)


@pytest.fixture
def own_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argument_tables, "PACKAGE", __name__.partition(".")[0])


@pytest.mark.usefixtures("own_package")
@pytest.mark.parametrize("shown", [Chained, WrittenOut])
def test_every_argument_is_in_the_table(shown: type) -> None:
    cells = [" ".join(line.split()) for line in table_lines(arguments_of(shown))][9:-1]
    assert cells == [
        *("* - ``rows``", "- ``Sequence[int | str]``", "- required", "-", "- the rows"),
        *("* - ``validate``", '- ``"first"``, ``"row"``', "- before the first row", "-", "- when to check"),
        *("* - ``wait``", "- ``timedelta``", "- 30 seconds", "-", "- how long to wait, in seconds"),
        *("* - ``conn_id``", "- ``str``", '- ``"main"``', "- yes", "- the connection"),
    ]


@pytest.mark.usefixtures("own_package")
def test_argument_without_description_is_an_error() -> None:
    with pytest.raises(LookupError, match="Undescribed: no docstring has a line :param speed:"):
        arguments_of(Undescribed)


def test_other_fields_stay_in_the_text() -> None:
    # Python 3.13 removes the indentation itself.
    lines = inspect.cleandoc(Chained.__doc__ or "").splitlines()
    assert without_parameters(lines)[2:] == [":raises ValueError: when a row", "    is not valid"]


@pytest.mark.parametrize("shown", shown_classes())
def test_descriptions_say_what_is_templated(shown: type) -> None:
    fields = set(getattr(shown, "template_fields", ()))
    if "ticket_params" in fields:
        fields |= CreateTicketParameters.__annotations__.keys()
    described = {one.name.strip("*"): one.is_templated for one in arguments_of(shown)}
    assert described == {name: ATTRIBUTES.get(name, name) in fields for name in described}


def test_reference_shows_every_public_class() -> None:
    assert {one.__name__ for one in shown_classes()} >= {
        "SendWhatsAppTemplateBatchOperator",
        "MessageDeliverySensor",
        "UsedeskNotifier",
        "TicketEventsTrigger",
    }


def test_types_name_no_helper_of_this_package():
    types = {argument.type for shown in shown_classes() for argument in arguments_of(shown)}
    assert [one for one in types if re.search(r"Templated|Rendered|Union|Optional", one)] == []

"""From a row to its key and its parameters: three layers, and errors without the values of a row."""

from __future__ import annotations

import pytest
from jinja2 import ChainableUndefined, Environment, Undefined
from jinja2.sandbox import SandboxedEnvironment

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.batch.row_params import InvalidRow, RowParams

NAMES = frozenset({"subject", "message", "template_variables", "custom_fields", "client_phone"})


def arguments(templates=None, key="id", shared=None, context=None, environment=None):
    return RowParams(
        shared or {}, NAMES, templates or {}, key, environment or SandboxedEnvironment(), context or {}
    )


def rendered(template, columns, **options):
    return arguments({"message": template}, **options).parameters(columns)["message"]


def test_a_column_goes_over_what_all_share_and_a_template_over_both():
    made = arguments(
        {"message": "Dear {{ row.name }}"}, shared={"subject": "shared", "message": "m", "client_phone": "1"}
    )
    columns = {"subject": "of the row", "message": "of the row", "name": "Anna"}
    assert made.parameters(columns) == {
        "subject": "of the row",
        "message": "Dear Anna",
        "client_phone": "1",
    }


def test_columns_that_are_no_parameters_are_for_templates_only():
    assert arguments().parameters({"name": "Anna", "client_phone": "79", "from": "x"}) == {
        "client_phone": "79"
    }


def test_what_a_row_does_not_give_leaves_what_all_share():
    assert arguments(shared={"subject": "s"}).parameters({"subject": None}) == {"subject": "s"}


def test_templates_stand_in_lists_and_dicts_as_well():
    made = arguments(
        {
            "template_variables": ["{{ row.name }}", "18:00", 7],
            "custom_fields": {10: ("{{ row.a }}", "{{ row.b }}"), 11: None},
        }
    )
    assert made.parameters({"name": "Anna", "a": 1, "b": "x"}) == {
        "template_variables": ["Anna", "18:00", 7],
        "custom_fields": {10: ["1", "x"], 11: None},
    }


def test_templates_know_what_those_of_the_task_know():
    environment = Environment()
    environment.globals["shout"] = str.upper
    assert (
        rendered("{{ ds }} {{ shout(row.name) }} {{ range(2) | list }}", {"name": "anna"},
                 context={"ds": "2026-03-01"}, environment=environment)
        == "2026-03-01 ANNA [0, 1]"
    )  # fmt: skip


def test_of_the_context_only_what_is_asked_for_is_looked_up():
    """In Airflow 2 some of it warns when it is looked at, and some asks the database."""

    class Context(dict):
        looked_up = []

        def __getitem__(self, name):
            self.looked_up.append(name)
            return super().__getitem__(name)

    context = Context(ds="2026-03-01", execution_date="old", var="asks")
    assert rendered("{{ ds }}", {}, context=context) == "2026-03-01"
    assert set(context.looked_up) == {"ds"}


def test_a_row_is_row_whatever_the_context_calls_so():
    assert rendered("{{ row.a }}", {"a": "1"}, context={"row": "of the context"}) == "1"


@pytest.mark.parametrize("name", ["items", "get", "keys", "values", "_a", "__class__", "ein Name", "row"])
def test_a_column_may_have_any_name(name):
    assert rendered(f"{{{{ row[{name!r}] }}}}", {name: "x"}) == "x"
    if name.isidentifier() and not name.startswith("_"):
        assert rendered(f"{{{{ row.{name} }}}}", {name: "x"}) == "x"


@pytest.mark.parametrize("name", ["items", "get", "keys", "values", "due"])
@pytest.mark.parametrize("undefined", [Undefined, ChainableUndefined])
def test_a_column_that_is_not_there_is_a_fault_in_any_dag(name, undefined):
    """Nothing else of that name goes to a customer, and no gap does."""
    with pytest.raises(InvalidRow, match=f"^message: the row has no column '{name}'$"):
        rendered(f"{{{{ row.{name} }}}}", {"a": "1"}, environment=Environment(undefined=undefined))


def test_a_row_can_be_looked_through():
    template = (
        "{% for name in row %}{{ name }}={{ row[name] }};{% endfor %}"
        "{{ 'a' in row }} {{ row | length }} {{ row.x | default('none') }} {{ row.x is defined }} {{ row }}"
    )
    assert rendered(template, {"a": 1, "b": 2}) == "a=1;b=2;True 2 none False row"


def test_what_stands_in_a_row_is_no_template():
    assert rendered("{{ row.name }}", {"name": "{{ 1 + 1 }}"}) == "{{ 1 + 1 }}"
    assert arguments().parameters({"subject": "{{ 1 + 1 }}"}) == {"subject": "{{ 1 + 1 }}"}


def test_a_text_without_a_template_stays_as_it_is():
    assert rendered("100 % {sure}\n", {}) == "100 % {sure}\n"


PHONE = "+7 912 345-67-89"


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{{ prices[row.loader] }}", "its template looks for something that is not there"),
        ("{{ prices[row.loader].euro }}", "its template looks for something that is not there"),
        ("{{ row[row.loader] }}", "its template looks for something that is not there"),
        ("{{ row.loader + 1 }}", "its template failed (TypeError)"),
        ("{{ fail(row.loader) }}", "its template failed (ValueError)"),
        ("{{ row.loader.__class__.__mro__ }}", "its template failed (SecurityError)"),
        ("{{ pricez[row.loader] }}", "'pricez' is undefined"),
        ("{{ prices.gold }}", "'gold' is undefined"),
    ],
)
def test_a_fault_names_no_value_of_the_row(template, fault):
    def fail(value):
        raise ValueError(value)

    with pytest.raises(InvalidRow) as caught:
        rendered(template, {"loader": PHONE}, context={"prices": {}, "fail": fail})
    assert caught.value.validation_errors == (f"message: {fault}",)
    assert PHONE not in str(caught.value)
    assert caught.value.__context__ is None


def test_all_faults_of_a_row_are_named():
    made = arguments({"message": "{{ row.a }}", "subject": "{{ row.b }}"})
    with pytest.raises(
        InvalidRow, match="message: the row has no column 'a'; subject: the row has no column 'b'"
    ):
        made.parameters({})


def test_every_template_that_is_none_is_named_before_any_row_is_read():
    with pytest.raises(UsedeskInvalidRequest) as caught:
        arguments({"message": "{{ row.a", "subject": "{% if %}", "client_phone": "79"}, key="{{ }}")
    assert [fault.partition(": is no template")[0] for fault in caught.value.validation_errors] == [
        "row_key",
        "row_template: message",
        "row_template: subject",
    ]


@pytest.mark.parametrize(
    ("key", "columns", "text"),
    [
        ("id", {"id": 7}, "7"),
        ("id", {"id": " 007 "}, "007"),
        ("id", {"id": 0}, "0"),
        ("{{ row.client }}-{{ row.month }}", {"client": 5, "month": "May"}, "5-May"),
        # A text, also where digits could be a number.
        ("{{ row.id }}", {"id": "1e5"}, "1e5"),
    ],
)
def test_the_key_is_a_text(key, columns, text):
    assert arguments(key=key).key(columns) == text


@pytest.mark.parametrize(
    ("key", "columns", "fault"),
    [
        ("id", {}, "row_key: the row has nothing in 'id'"),
        ("id", {"id": None}, "row_key: the row has nothing in 'id'"),
        ("id", {"id": "  "}, "row_key: the row has nothing in 'id'"),
        ("{{ row.a }}", {"a": None}, "row_key: the row has nothing in '{{ row.a }}'"),
        ("{{ row.a }}-", {}, "row_key: the row has no column 'a'"),
        ("id", {"id": "a\ud800"}, "row_key: holds half of a surrogate pair, which is no text"),
    ],
)
def test_a_row_without_a_key_is_faulty(key, columns, fault):
    with pytest.raises(InvalidRow) as caught:
        arguments(key=key).key(columns)
    assert caught.value.validation_errors == (fault,)

"""From a row to its key and its parameters: three layers, and errors without the values of a row."""

from __future__ import annotations

import pytest
from jinja2 import ChainableUndefined, Environment, Undefined
from jinja2.sandbox import SandboxedEnvironment

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.batch.row_params import InvalidRow, RowParams
from tests.support.foreign_types import NaTType, NAType

NAMES = frozenset({"subject", "message", "template_variables", "custom_fields", "client_phone"})


def row_params(templates=None, key="id", shared=None, context=None, environment=None):
    return RowParams(
        shared or {}, NAMES, templates or {}, key, environment or SandboxedEnvironment(), context or {}
    )


def rendered(template, columns, **options):
    return row_params({"message": template}, **options).parameters(columns)["message"]


def test_later_layer_overrides_earlier():
    params = row_params(
        {"message": "Dear {{ row.name }}"}, shared={"subject": "shared", "message": "m", "client_phone": "1"}
    )
    columns = {"subject": "of the row", "message": "of the row", "name": "Anna"}
    assert params.parameters(columns) == {
        "subject": "of the row",
        "message": "Dear Anna",
        "client_phone": "1",
    }


def test_other_columns_are_not_sent():
    assert row_params().parameters({"name": "Anna", "client_phone": "79", "from": "x"}) == {
        "client_phone": "79"
    }


def test_empty_column_keeps_shared_argument():
    assert row_params(shared={"subject": "s"}).parameters({"subject": None}) == {"subject": "s"}


def test_templates_in_lists_and_dicts():
    params = row_params(
        {
            "template_variables": ["{{ row.name }}", "18:00", 7],
            "custom_fields": {10: ("{{ row.a }}", "{{ row.b }}"), 11: None},
        }
    )
    assert params.parameters({"name": "Anna", "a": 1, "b": "x"}) == {
        "template_variables": ["Anna", "18:00", 7],
        "custom_fields": {10: ["1", "x"], 11: None},
    }


def test_templates_use_the_task_context():
    environment = Environment()
    environment.globals["shout"] = str.upper
    assert (
        rendered("{{ ds }} {{ shout(row.name) }} {{ range(2) | list }}", {"name": "anna"},
                 context={"ds": "2026-03-01"}, environment=environment)
        == "2026-03-01 ANNA [0, 1]"
    )  # fmt: skip


def test_context_is_read_lazily():
    """In Airflow 2, some of it warns when it is read, and some queries the database."""

    class Context(dict):
        looked_up = []

        def __getitem__(self, name):
            self.looked_up.append(name)
            return super().__getitem__(name)

    context = Context(ds="2026-03-01", execution_date="old", var="asks")
    assert rendered("{{ ds }}", {}, context=context) == "2026-03-01"
    assert set(context.looked_up) == {"ds"}


def test_row_hides_context_variable():
    assert rendered("{{ row.a }}", {"a": "1"}, context={"row": "of the context"}) == "1"


@pytest.mark.parametrize("name", ["items", "get", "keys", "values", "_a", "__class__", "ein Name", "row"])
def test_column_may_have_any_name(name):
    assert rendered(f"{{{{ row[{name!r}] }}}}", {name: "x"}) == "x"
    if name.isidentifier() and not name.startswith("_"):
        assert rendered(f"{{{{ row.{name} }}}}", {name: "x"}) == "x"


@pytest.mark.parametrize("name", ["items", "get", "keys", "values", "due"])
@pytest.mark.parametrize("undefined", [Undefined, ChainableUndefined])
def test_missing_column_is_an_error(name, undefined):
    """No other value and no gap is sent to a customer."""
    with pytest.raises(InvalidRow, match=f"^message: the row has no column '{name}'$"):
        rendered(f"{{{{ row.{name} }}}}", {"a": "1"}, environment=Environment(undefined=undefined))


@pytest.mark.parametrize("value", [None, float("nan")])
@pytest.mark.parametrize(
    ("read", "name"),
    [
        (row_params({"message": "Dear {{ row.a }}!"}).parameters, "message"),
        (row_params(key="visit-{{ row.a }}").key, "row_key"),
    ],
)
def test_empty_value_inside_a_text_is_refused(read, name, value):
    with pytest.raises(InvalidRow, match=f"^{name}: column 'a' is empty$"):
        read({"a": value})


def test_row_can_be_iterated():
    template = (
        "{% for name in row %}{{ name }}={{ row[name] }};{% endfor %}"
        "{{ 'a' in row }} {{ row | length }} {{ row.x | default('none') }} {{ row.x is defined }} {{ row }}"
    )
    assert rendered(template, {"a": 1, "b": 2}) == "a=1;b=2;True 2 none False row"


def test_values_are_not_rendered():
    assert rendered("{{ row.name }}", {"name": "{{ 1 + 1 }}"}) == "{{ 1 + 1 }}"
    assert row_params().parameters({"subject": "{{ 1 + 1 }}"}) == {"subject": "{{ 1 + 1 }}"}


def test_text_without_template_is_unchanged():
    assert rendered("100 % {sure}\n", {}) == "100 % {sure}\n"


PHONE = "+7 912 345-67-89"


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("{{ prices[row.loader] }}", "its template uses something that does not exist"),
        ("{{ prices[row.loader].euro }}", "its template uses something that does not exist"),
        ("{{ row[row.loader] }}", "its template uses something that does not exist"),
        ("{{ row.loader + 1 }}", "its template failed (TypeError)"),
        ("{{ fail(row.loader) }}", "its template failed (ValueError)"),
        ("{{ row.loader.__class__.__mro__ }}", "its template failed (SecurityError)"),
        ("{{ pricez[row.loader] }}", "'pricez' is undefined"),
        ("{{ prices.gold }}", "'gold' is undefined"),
    ],
)
def test_error_repeats_no_value(template, error):
    def fail(value):
        raise ValueError(value)

    with pytest.raises(InvalidRow) as caught:
        rendered(template, {"loader": PHONE}, context={"prices": {}, "fail": fail})
    assert caught.value.validation_errors == (f"message: {error}",)
    assert PHONE not in str(caught.value)
    assert caught.value.__context__ is None


def test_all_errors_of_a_row_are_named():
    params = row_params({"message": "{{ row.a }}", "subject": "{{ row.b }}"})
    with pytest.raises(InvalidRow, match="message: column 'a' is empty; subject: the row has no column 'b'"):
        params.parameters({}, names=["a"])


def test_invalid_templates_are_named_at_once():
    with pytest.raises(UsedeskInvalidRequest) as caught:
        row_params({"message": "{{ row.a", "subject": "{% if %}", "client_phone": "79"}, key="{{ }}")
    assert [error.partition(": is not a valid template")[0] for error in caught.value.validation_errors] == [
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
def test_key_is_text(key, columns, text):
    assert row_params(key=key).key(columns) == text


@pytest.mark.parametrize(
    ("key", "columns", "error"),
    [
        ("id", {}, "row_key: the row has no column 'id'"),
        ("id", {"id": None}, "row_key: column 'id' is empty"),
        ("id", {"id": "  "}, "row_key: column 'id' is empty"),
        ("{{ row.a }}", {"a": None}, "row_key: column 'a' is empty"),
        ("{{ row.a or '' }}", {"a": None}, "row_key: its template is empty"),
        ("{{ row.a }}-", {}, "row_key: the row has no column 'a'"),
        ("id", {"id": "a\ud800"}, "row_key: contains half of a surrogate pair, which is not valid Unicode"),
    ],
)
def test_row_without_key_is_invalid(key, columns, error):
    with pytest.raises(InvalidRow) as caught:
        row_params(key=key).key(columns)
    assert caught.value.validation_errors == (error,)


@pytest.mark.parametrize("null", [float("nan"), NaTType(), NAType()])
class TestNulls:
    """What pandas has in an empty cell."""

    def test_column_keeps_shared_argument(self, null):
        assert row_params(shared={"subject": "s"}).parameters({"subject": null}) == {"subject": "s"}

    def test_template_can_replace_it(self, null):
        assert rendered("Dear {{ row.name or 'customer' }}", {"name": null}) == "Dear customer"

    def test_result_of_a_template_is_noticed(self, null):
        params = row_params({"custom_fields": null}, shared={"custom_fields": {1: 2}})
        assert params.parameters({}) == {"custom_fields": ""}

    @pytest.mark.parametrize("key", ["id", "{{ row.id }}"])
    def test_key_is_required(self, null, key):
        with pytest.raises(InvalidRow, match="row_key"):
            row_params(key=key).key({"id": null})


@pytest.mark.parametrize("text", ["nan", "NaT", "<NA>", "None"])
def test_text_of_null_is_refused_inside_a_text(text):
    with pytest.raises(InvalidRow, match=r"message: .* correct the data"):
        rendered("Dear {{ row.name }}", {"name": text})


@pytest.mark.parametrize("columns", [{}, {"name": None}, {"name": float("nan")}])
@pytest.mark.parametrize(
    "template",
    [
        "Dear {{ row.name or 'customer' }}",
        "Dear {{ row['name'] | default('customer') }}",
        "Dear {% if row.name %}{{ row.name }}{% else %}customer{% endif %}",
        "Dear {{ 'Anna' if row.name == 'A' else 'customer' }}",
    ],
)
def test_empty_column_can_be_replaced(columns, template):
    params = row_params({"message": template}).parameters(columns, names=["name"])
    assert params["message"] == "Dear customer"


@pytest.mark.parametrize("template", ["{{ row.nme or 'customer' }}", "{% if row.nme %}{% endif %}"])
def test_unknown_column_cannot_be_replaced(template):
    with pytest.raises(InvalidRow, match="message: the row has no column 'nme'"):
        row_params({"message": template}).parameters({}, names=["name"])


@pytest.mark.parametrize("heading", ["Сумма, руб.", "(сумма)", "№", "ФИО"])
def test_heading_of_an_empty_column_is_named(heading):
    with pytest.raises(InvalidRow) as caught:
        row_params({"message": f"{{{{ row['{heading}'] }}}}"}).parameters({}, names=[heading])
    assert caught.value.validation_errors == (f"message: column {heading!r} is empty",)


@pytest.mark.parametrize("text", ["nan", "NaT", "<NA>", "None"])
def test_text_of_null_is_no_key(text):
    with pytest.raises(InvalidRow, match="row_key"):
        row_params().key({"id": text})


def test_other_spelling_is_a_key():
    assert row_params().key({"id": "Nan"}) == "Nan"

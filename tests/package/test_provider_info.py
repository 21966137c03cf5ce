"""The provider info: its schema, the names it lists, and its connection form."""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import subprocess
import sys
import tomllib
import warnings
from importlib.util import find_spec
from pathlib import Path

import airflow
import jsonschema
import pytest

from airflow_provider_usedesk.get_provider_info import get_provider_info
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from tests.support.version import HAS_DECLARED_FORM, HAS_FORM_WITHOUT_FAB

AIRFLOW_FILES = Path(airflow.__file__).parent
[FORM] = get_provider_info()["connection-types"]
HAS_FAB = find_spec("flask_appbuilder") is not None
WITHOUT_FAB = "(UI widgets will be missing), because the 'flask_appbuilder' package is not installed"
"""What Airflow before 3.2 logs of each hook; the page of connections of 3.1 needs nothing more."""


def schema(name):
    return json.loads((AIRFLOW_FILES / name).read_text())


def test_provider_info_matches_airflow_schema():
    jsonschema.validate(get_provider_info(), schema("provider_info.schema.json"))


def test_form_matches_provider_yaml_schema():
    path = AIRFLOW_FILES / "provider.yaml.schema.json"
    if not path.exists():
        pytest.skip("this Airflow does not bring provider.yaml.schema.json")
    whole = schema(path.name)
    part = {**whole["properties"]["connection-types"], "definitions": whole.get("definitions", {})}
    jsonschema.validate([FORM], part)


def test_listed_names_exist():
    info = get_provider_info()
    for part in ("operators", "sensors", "triggers", "hooks"):
        for entry in info[part]:
            for module in entry["python-modules"]:
                assert importlib.import_module(module)
    decorators = [entry["class-name"] for entry in info["task-decorators"]]
    for path in (*info["notifications"], *info["extra-links"], *info["cli"], *decorators):
        module, _, name = path.rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))
    module, _, name = FORM["hook-class-name"].rpartition(".")
    assert getattr(importlib.import_module(module), name) is UsedeskHook
    assert (UsedeskHook.conn_type, UsedeskHook.hook_name) == (FORM["connection-type"], FORM["hook-name"])


@pytest.mark.parametrize("kind", ["Operator", "Sensor", "Trigger"])
def test_all_modules_are_listed(kind):
    package = importlib.import_module(f"airflow_provider_usedesk.{kind.lower()}s")
    found = set()
    for path in Path(package.__path__[0]).glob("[!_]*.py"):
        # These have base classes only.
        if path.stem in ("base", "sending"):
            continue
        module = importlib.import_module(f"{package.__name__}.{path.stem}")
        classes = [value for value in vars(module).values() if inspect.isclass(value)]
        if any(one.__module__ == module.__name__ and one.__name__.endswith(kind) for one in classes):
            found.add(module.__name__)
    listed = {
        module for entry in get_provider_info()[f"{kind.lower()}s"] for module in entry["python-modules"]
    }
    assert found == listed


def test_provider_info_imports_nothing_heavy():
    code = (
        "import sys; before = set(sys.modules)\n"
        "from airflow_provider_usedesk.get_provider_info import get_provider_info; get_provider_info()\n"
        "import json; print(json.dumps(list(set(sys.modules) - before)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    heavy = {"airflow", "requests", "httpx", "fastapi", "pydantic"}
    assert not heavy & set(json.loads(printed))


def test_package_name_matches_distribution():
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    assert get_provider_info()["package-name"] == project["name"]


def test_older_forms_match_provider_info():
    pytest.importorskip("flask_appbuilder")
    pytest.importorskip("wtforms")
    behaviour = UsedeskHook.get_ui_field_behaviour()
    assert behaviour["hidden_fields"] == FORM["ui-field-behaviour"]["hidden-fields"]
    assert behaviour["relabeling"] == FORM["ui-field-behaviour"]["relabeling"]
    assert behaviour["placeholders"] == FORM["ui-field-behaviour"]["placeholders"]
    widgets = UsedeskHook.get_connection_form_widgets()
    assert list(widgets) == list(FORM["conn-fields"])
    for name, field in widgets.items():
        declared = FORM["conn-fields"][name]
        assert field.args[0] == declared["label"]
        assert field.kwargs["description"] == declared["description"]
        kind = {"IntegerField": "integer"}.get(field.field_class.__name__, "string")
        assert kind in declared["schema"]["type"]
        assert (field.field_class.__name__ == "PasswordField") == ("format" in declared["schema"])


def test_providers_manager_loads_without_warning(caplog):
    from airflow.providers_manager import ProvidersManager

    caplog.set_level(logging.INFO)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        manager = ProvidersManager()
        manager.initialize_providers_hooks()
        info = manager.hooks["usedesk"]
        form = {name for name in manager.connection_form_widgets if "usedesk" in name}
    assert manager.providers["airflow-provider-usedesk"].version
    assert info is not None
    assert (info.hook_name, info.connection_id_attribute_name) == ("Usedesk", "usedesk_conn_id")
    ours = [record.getMessage() for record in caplog.records] + [str(warning.message) for warning in warned]
    ours = [text for text in ours if "usedesk" in text.lower()]
    if HAS_DECLARED_FORM or HAS_FAB:
        assert {name.split("__")[-1] for name in form} == set(FORM["conn-fields"])
        assert "host" in manager.field_behaviours["usedesk"]["relabeling"]
        assert ours == []
    else:
        assert form == set()
        assert WITHOUT_FAB in "".join(ours)


# In a process of its own, as in the API server: Airflow 3.1 replaces the widgets before it loads the hooks.
PRINT_FORM = """
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
[form] = [meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == "usedesk"]
print(form.model_dump_json())
"""


@pytest.mark.skipif(not (HAS_FORM_WITHOUT_FAB or HAS_FAB), reason="Airflow 3.0 needs Flask AppBuilder")
def test_airflow_3_form_is_complete():
    pytest.importorskip("airflow.sdk")
    command = [sys.executable, "-W", "ignore", "-c", PRINT_FORM]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    form = json.loads(printed.splitlines()[-1])
    assert form["hook_name"] == "Usedesk"
    assert set(form["extra_fields"] or {}) == set(FORM["conn-fields"])
    standard = form["standard_fields"]
    assert standard["host"]["title"] == "API base URL"
    assert standard["password"]["title"] == "API token"
    assert standard["login"]["hidden"]

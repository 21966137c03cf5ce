"""The rooms of the package: which may import which, and what only ``compat`` may touch."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.package import rules

PACKAGE = Path(__file__).parents[2] / rules.PACKAGE
FLOORS = [
    {"__init__", "api", "compat", "get_provider_info"},
    {"assets", "hooks"},
    {"batch", "delivery", "idempotency", "links", "polling"},
    {"cli", "decorators", "listeners", "notifications", "operators", "sensors", "triggers"},
    {"sandbox", "webhook"},
    {"plugin"},
]
PROGRAMS = {"sandbox", "webhook"}
HTTP_LIBRARIES = ("requests", "urllib3", "httpx", "aiohttp", "fastapi", "uvicorn")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(PACKAGE.rglob("*.py"))
ROOMS = {room_of(path) for path in FILES}
OWN_NAMES = set().union(*(rules.own_names(path.read_text()) for path in FILES))
OUTSIDE_COMPAT = [path for path in FILES if room_of(path) != "compat"]


def arrows() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for path in FILES:
        room = room_of(path)
        # Naming modules in strings is what the provider info is for.
        in_strings = room != "get_provider_info"
        found[room] |= rules.imported_rooms(path.read_text(), ROOMS, in_strings=in_strings) - {room}
    return found


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


class TestRooms:
    def test_every_room_has_a_floor(self):
        assert set().union(*FLOORS) == ROOMS

    def test_imports_lead_downwards(self):
        assert rules.upward_arrows(arrows(), FLOORS) == set()

    def test_no_rooms_import_each_other(self):
        assert rules.circle(arrows()) == []

    def test_only_the_plugin_imports_programs(self):
        users = {(room, other) for room, others in arrows().items() for other in others & PROGRAMS}
        assert {room for room, _ in users} <= {"plugin"}

    @pytest.mark.parametrize("room", ["compat", "get_provider_info", "__init__"])
    def test_ground_rooms_import_nothing(self, room):
        assert arrows()[room] == set()

    def test_api_imports_only_the_version(self):
        assert arrows()["api"] <= {"__init__"}

    def test_root_has_only_what_airflow_loads(self):
        names = {path.name for path in PACKAGE.iterdir() if path.is_file()}
        assert names == {"__init__.py", "assets.py", "get_provider_info.py", "plugin.py", "py.typed"}

    def test_package_imports_no_tests_or_examples(self):
        others = {"tests", "example_dags", "dev", "benchmarks"}
        found = {(named(path), name.split(".")[0]) for path in FILES for name in imports(path)}
        assert {(path, name) for path, name in found if name in others} == set()


class TestCompat:
    """Only ``compat`` touches what differs between Airflow versions or is not public."""

    @pytest.mark.parametrize("path", OUTSIDE_COMPAT, ids=named)
    def test_airflow_comes_through_compat(self, path):
        assert rules.airflow_imports(path.read_text()) == set()

    @pytest.mark.parametrize("path", OUTSIDE_COMPAT, ids=named)
    def test_no_private_attribute_is_used(self, path):
        assert rules.private_attributes(path.read_text(), OWN_NAMES) == set()

    @pytest.mark.parametrize("path", FILES, ids=named)
    def test_no_import_is_relative(self, path):
        assert rules.relative_imports(path.read_text()) == set()

    @pytest.mark.parametrize("path", OUTSIDE_COMPAT, ids=named)
    def test_no_version_is_compared(self, path):
        assert rules.version_switches(path.read_text()) == set()


class TestRules:
    def test_imports_in_functions_and_strings_count(self):
        source = (
            "from airflow_provider_usedesk.api import errors\n"
            "def load():\n"
            "    import airflow_provider_usedesk.hooks.usedesk\n"
            "    return import_module('airflow_provider_usedesk.batch.runner')\n"
        )
        rooms = rules.imported_rooms(source, {"api", "hooks", "batch", "polling"})
        assert rooms == {"api", "hooks", "batch"}

    def test_imports_for_typing_count(self):
        source = "if TYPE_CHECKING:\n    from airflow_provider_usedesk.batch.rows import Row\n"
        assert rules.imported_rooms(source, {"batch"}) == {"batch"}

    def test_the_version_is_in_the_root(self):
        source = "from airflow_provider_usedesk import __version__\n"
        assert rules.imported_rooms(source, {"api"}) == {"__init__"}

    def test_upward_import_is_found(self):
        assert rules.upward_arrows({"api": {"hooks"}, "hooks": {"api"}}, [{"api"}, {"hooks"}]) == {
            ("api", "hooks")
        }

    def test_circle_is_found(self):
        assert rules.circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
        assert rules.circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []

    @pytest.mark.parametrize(
        "source",
        [
            "import airflow",
            "from airflow.models import DagBag",
            "from airflow.sdk import DAG",
            "if TYPE_CHECKING:\n    from airflow.sdk.execution_time.context import X",
            "import_module('airflow.models.dag')",
            "import_module('airflow')",
            "load('airflow.models:DagBag')",
            "from airflow.providers.common.compat.sdk import BaseHook",
        ],
    )
    def test_airflow_import_is_found(self, source):
        assert rules.airflow_imports(source)

    def test_redis_provider_is_no_airflow_import(self):
        assert not rules.airflow_imports("from airflow.providers.redis.hooks.redis import RedisHook")

    def test_foreign_private_attribute_is_found(self):
        source = "class A:\n    def __init__(self, b):\n        self._own = b._foreign\n"
        assert rules.private_attributes(source) == {"line 3: b._foreign"}

    @pytest.mark.parametrize(
        "source",
        [
            "getattr(x, '_y')",
            "from lib._private import z",
            "from lib import _z",
            "def f(other): self._a; other._a",
        ],
    )
    def test_hidden_private_access_is_found(self, source):
        assert rules.private_attributes(source)

    def test_relative_import_is_found(self):
        assert rules.relative_imports("from ..hooks import usedesk")

    def test_own_private_attribute_is_allowed(self):
        source = "class A:\n    _x: int\n    def __eq__(self, other):\n        return self._x == other._x\n"
        assert rules.private_attributes(source) == set()

    @pytest.mark.parametrize(
        "source",
        [
            "if AIRFLOW >= (3, 3): pass",
            "if AIRFLOW_V_3_0_PLUS: pass",
            "sys.version_info < (3, 12)",
            "airflow.__version__ == '3'",
            "is_at_least(airflow.__version__, '3')",
            "Version(metadata.version('apache-airflow'))",
        ],
    )
    def test_version_switch_is_found(self, source):
        assert rules.version_switches(source)


LIGHT_MODULES = (
    "assets",
    "cli.commands",
    "decorators.ticket",
    "get_provider_info",
    "hooks.usedesk",
    "links.ticket",
    "notifications.usedesk",
    "operators.batch",
    "operators.check",
    "operators.comment",
    "operators.message",
    "operators.ticket",
    "plugin",
    "sensors.message",
    "sensors.ticket",
    "triggers.message",
    "triggers.ticket",
    "triggers.ticket_events",
)
# What only a task that runs needs: client, results and errors, connection, waits, storage.
LATE_MODULES = (
    *("api.attachments", "api.client", "api.errors", "api.quoting", "api.records", "api.responses"),
    "api.signatures",
    *("batch.row_store", "batch.runner", "compat.stores", "compat.supervisor", "delivery.decision"),
    *("delivery.report_store", "delivery.waiter", "hooks.connection", "hooks.delivery_settings"),
    *("hooks.rate_limit_store", "idempotency.send_once", "notifications.open_ticket", "notifications.sender"),
    *("operators.contract", "polling.cursor_store", "polling.event_cursor", "polling.ticket_feed"),
)
DAG_MODULES = (
    *(
        "operators.ticket",
        "operators.message",
        "operators.comment",
        "operators.batch",
        "notifications.usedesk",
    ),
    *("sensors.message", "sensors.ticket", "triggers.message", "triggers.ticket", "triggers.ticket_events"),
)
OPERATOR_MODULES = (
    *("operators.ticket", "operators.message", "operators.comment", "operators.client", "operators.batch"),
)
# What only a Dag with a task needs, or a task that runs.
TASK_MODULES = (
    *("api.values", "assets", "hooks.templates", "hooks.usedesk", "links.ticket"),
    *("operators.checks", "operators.mapping", "operators.template_failures"),
)
AIRFLOW_FREE_MODULES = ("batch.quiet_hours", "batch.result_file", "batch.rows")


class TestImportCost:
    def test_no_http_library_is_loaded(self):
        before = f"import airflow.models\nfrom {rules.PACKAGE}.compat.sdk import BaseHook, BaseOperator"
        assert loaded_by(LIGHT_MODULES, (*HTTP_LIBRARIES, f"{rules.PACKAGE}.sandbox"), before) == {}

    def test_dag_loads_nothing_that_only_tasks_need(self):
        late = tuple(f"{rules.PACKAGE}.{name}" for name in LATE_MODULES)
        before = f"import airflow.models\nfrom {rules.PACKAGE}.compat.sdk import BaseHook, BaseOperator"
        assert loaded_by(DAG_MODULES, late, before) == {}
        assert all(find_spec(name) for name in late)

    def test_import_of_operator_loads_nothing_that_tasks_need(self):
        late = tuple(f"{rules.PACKAGE}.{name}" for name in TASK_MODULES)
        before = f"from {rules.PACKAGE}.compat.sdk import BaseHook, BaseOperator"
        assert loaded_by(OPERATOR_MODULES, late, before) == {}
        assert all(find_spec(name) for name in late)
        # A wait for a message names the asset of the reports.
        later = tuple(name for name in late if not name.endswith(".assets"))
        assert loaded_by(("sensors.message", "sensors.ticket"), later, before) == {}

    def test_rows_load_neither_airflow_nor_http(self):
        assert loaded_by(AIRFLOW_FREE_MODULES, (*HTTP_LIBRARIES, "airflow")) == {}


def loaded_by(modules: tuple[str, ...], unwanted: tuple[str, ...], before: str = "") -> dict[str, list[str]]:
    """Import modules one after the other in one new process; return which unwanted libraries each loads."""
    code = f"""
import importlib, json, sys
{before}
found, seen = {{}}, set(sys.modules)
for module in {modules!r}:
    importlib.import_module("{rules.PACKAGE}." + module)
    if new := sorted((set(sys.modules) - seen) & set({unwanted!r})):
        found[module] = new
    seen = set(sys.modules)
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def imports(path: Path) -> set[str]:
    return rules.imported_modules(path.read_text(), in_strings=False)

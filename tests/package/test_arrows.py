"""What a Dag file pays for importing us, and who may know whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "airflow_provider_usedesk"
SLOW = {"requests", "urllib3", "httpx", "aiohttp", "fastapi", "uvicorn", "airflow_provider_usedesk.sandbox"}


@pytest.mark.parametrize(
    "module",
    [
        "operators.ticket",
        "operators.message",
        "operators.comment",
        "sensors.ticket",
        "sensors.message",
        "triggers.ticket",
        "triggers.message",
        "triggers.ticket_events",
        "assets",
        "plugin",
        "notifications.usedesk",
        "decorators.ticket",
        "links.ticket",
        "hooks.usedesk",
        "get_provider_info",
    ],
)
def test_no_http_library_and_no_sandbox_is_loaded(module):
    code = (
        "import sys\n"
        "import airflow.models\n"
        "from airflow_provider_usedesk.compat.sdk import BaseHook, BaseOperator\n"
        "before = set(sys.modules)\n"
        f"import airflow_provider_usedesk.{module}\n"
        f"print(sorted((set(sys.modules) - before) & {SLOW!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def imports(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("api", ("airflow.", "airflow_provider_usedesk.hooks", "airflow_provider_usedesk.operators")),
        ("sandbox", ("airflow.", "airflow_provider_usedesk.hooks", "airflow_provider_usedesk.operators")),
        ("hooks", ("airflow_provider_usedesk.operators", "airflow_provider_usedesk.sandbox", "airflow.sdk")),
        (
            "batch",
            ("airflow.", "airflow_provider_usedesk.hooks", "airflow_provider_usedesk.operators", "requests"),
        ),
        (
            "operators",
            ("airflow_provider_usedesk.sandbox", "airflow_provider_usedesk.api.client", "airflow.sdk"),
        ),
        (
            "sensors",
            ("airflow_provider_usedesk.sandbox", "airflow_provider_usedesk.api.client", "airflow.sdk"),
        ),
        (
            "triggers",
            ("airflow_provider_usedesk.sandbox", "airflow_provider_usedesk.operators", "airflow.sdk"),
        ),
        (
            "notifications",
            ("airflow_provider_usedesk.sandbox", "airflow_provider_usedesk.operators", "airflow.sdk"),
        ),
        (
            "webhook",
            ("airflow_provider_usedesk.sandbox", "airflow_provider_usedesk.operators", "airflow.sdk"),
        ),
        ("links", ("airflow_provider_usedesk.sandbox", "airflow_provider_usedesk.hooks", "airflow.sdk")),
        (".", ("tests", "example_dags", "dev")),
    ],
)
def test_arrows_run_one_way(room, forbidden):
    files = list((PACKAGE / room).rglob("*.py"))
    assert files
    for path in files:
        known = imports(path)
        assert not [name for name in known if name == "airflow" and room in ("api", "batch", "sandbox")], path
        assert not [name for name in known if name.startswith(forbidden)], path


@pytest.mark.parametrize("module", ["rows", "result_file", "quiet_hours"])
def test_rows_need_no_airflow_and_no_http_library(module):
    code = (
        "import sys\n"
        f"import airflow_provider_usedesk.batch.{module}\n"
        f"print(sorted(set(sys.modules) & {SLOW | {'airflow'}!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"

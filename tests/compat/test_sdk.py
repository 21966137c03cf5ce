"""The symbols of Airflow: each can be loaded on the installed version, without a deprecation warning."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_usedesk.compat import sdk

ROOT = Path(__file__).parents[2]

# A deprecated import warns at the place of the import; Airflow and its libraries raise others.
LOAD_ALL = """
import warnings
import airflow.settings
warnings.filterwarnings("error", module=r"importlib|airflow_provider_usedesk\\.compat\\.sdk")
from airflow_provider_usedesk.compat import sdk
for name in sdk._MODULES:
    getattr(sdk, name)
"""


def imported_names() -> set[str]:
    rooms = ("airflow_provider_usedesk", "dev", "tests")
    trees = [ast.parse(path.read_text()) for room in rooms for path in (ROOT / room).rglob("*.py")]
    imports = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in imports if node.module == sdk.__name__ for alias in node.names}


def typed_names() -> set[str]:
    tree = ast.parse(Path(sdk.__file__).read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    return {
        alias.name for node in ast.walk(block) if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def test_symbols_load_without_deprecation_warning():
    subprocess.run([sys.executable, "-c", LOAD_ALL], check=True)


@pytest.mark.parametrize("name", sorted(sdk._MODULES))
def test_symbol_is_loaded_once(name):
    assert getattr(sdk, name) is vars(sdk)[name]


def test_every_symbol_is_used():
    assert imported_names() == set(sdk._MODULES)


def test_every_symbol_is_typed():
    assert typed_names() == set(sdk._MODULES)


def test_unknown_symbol_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        sdk.Nothing  # noqa: B018

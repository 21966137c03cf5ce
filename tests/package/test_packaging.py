"""The wheel and the sdist, and the wheel in environments that hold nothing else of ours."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from airflow import __version__ as airflow_version

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    [wheel], [sdist] = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture
def environment(tmp_path):
    """Make an environment with just these requirements, and return its Python."""
    pytest.importorskip("uv", reason="it makes the environments")

    def make(*requirements: str) -> str:
        python = tmp_path / "env" / "bin" / "python"
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "env"], check=True)
        minor = ".".join(airflow_version.split(".")[:2])
        constraints = ROOT / "constraints" / f"airflow-{minor}.txt"
        install = [*uv, "pip", "install", "--quiet", "--python", python, "--constraint", constraints]
        subprocess.run([*install, *requirements], check=True)
        return str(python)

    return make


def run(python: str, code: str, home: Path) -> str:
    environ = {"AIRFLOW_HOME": str(home), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [python, "-c", code], env=environ, cwd=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def test_wheel_holds_only_the_package(distributions):
    names = set(zipfile.ZipFile(distributions[0]).namelist())
    tops = {name.split("/")[0] for name in names}
    assert tops == {"airflow_provider_usedesk", "airflow_provider_usedesk-0.1.0.dist-info"}
    assert "airflow_provider_usedesk/py.typed" in names
    for name in ("templates/base.html", "static/sandbox.js", "static/sandbox.css"):
        assert f"airflow_provider_usedesk/sandbox/{name}" in names
    for licence in ("LICENSE", "NOTICE"):
        assert f"airflow_provider_usedesk-0.1.0.dist-info/licenses/{licence}" in names


def test_metadata_names_no_upper_bound(distributions):
    with zipfile.ZipFile(distributions[0]) as wheel:
        metadata = wheel.read("airflow_provider_usedesk-0.1.0.dist-info/METADATA").decode()
        entry_points = wheel.read("airflow_provider_usedesk-0.1.0.dist-info/entry_points.txt").decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata
    assert "Classifier: Framework :: Apache Airflow :: Provider" in metadata
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:")]
    assert any("apache-airflow>=2.11" in line for line in required)
    assert not any("<" in line or "==" in line.replace("extra == ", "") for line in required)
    assert "airflow_provider_usedesk.get_provider_info:get_provider_info" in entry_points
    assert "airflow_provider_usedesk.sandbox.pytest_plugin" in entry_points
    assert "usedesk-sandbox = airflow_provider_usedesk.sandbox.__main__:main" in entry_points


def test_sdist_holds_tests_and_examples(distributions):
    with tarfile.open(distributions[1]) as sdist:
        names = {name.split("/", 1)[-1] for name in sdist.getnames()}
    assert {"README.md", "CHANGELOG.md", "LICENSE", "NOTICE", "pyproject.toml"} <= names
    assert any(name.startswith("tests/api/") for name in names)
    assert any(name.startswith("example_dags/") for name in names)


def test_wheel_registers_in_clean_airflow(distributions, environment, tmp_path):
    python = environment(str(distributions[0]), f"apache-airflow=={airflow_version}")
    code = (
        "from airflow.providers_manager import ProvidersManager\n"
        "manager = ProvidersManager()\n"
        "provider = manager.providers['airflow-provider-usedesk']\n"
        "print(provider.version, manager.hooks['usedesk'].hook_name)"
    )
    assert run(python, code, tmp_path) == "0.1.0 Usedesk"


def test_client_works_without_airflow(distributions, environment, tmp_path, usedesk_sandbox):
    python = environment("requests", "requests-toolbelt")
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--python", python]
    subprocess.run([*uv, distributions[0]], check=True)
    code = (
        "import importlib.util\n"
        "assert importlib.util.find_spec('airflow') is None\n"
        "from airflow_provider_usedesk.api.client import UsedeskClient\n"
        f"with UsedeskClient.connect({usedesk_sandbox.token!r}, {usedesk_sandbox.url!r}) as client:\n"
        "    created = client.create_ticket(subject='s', message='m', files=[('a.txt', b'x')])\n"
        "    print(created.ticket_id, len(client.groups()))"
    )
    ticket_id, groups = run(python, code, tmp_path).split()
    assert [ticket.ticket_id for ticket in usedesk_sandbox.tickets] == [int(ticket_id)]
    assert int(groups) > 0

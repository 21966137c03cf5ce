"""The wheel with all extras beside the dependencies that each Airflow was released with."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ",".join(PROJECT["optional-dependencies"])

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    [path] = out.glob("*.whl")
    return path


def resolve(*requirements: str, day: str) -> set[str]:
    """Return the pins that an installation would have had at the end of a day."""
    uv = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate"]
    when = ["--python-version", "3.11", "--exclude-newer", f"{day}T23:59:59Z"]
    text = "\n".join(requirements)
    done = subprocess.run([*uv, *when, "-"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("\n"))


@pytest.mark.parametrize(
    ("airflow", "day"),
    [
        ("2.11.0", "2025-05-20"),
        ("3.0.0", "2025-04-22"),
        ("3.1.0", "2025-09-25"),
        ("3.2.0", "2026-04-07"),
        ("3.3.0", "2026-07-06"),
    ],
)
def test_package_changes_no_dependency_of_airflow(wheel, airflow, day):
    alone = resolve(f"apache-airflow=={airflow}", day=day)
    package = f"airflow-provider-usedesk[{EXTRAS}] @ {wheel.as_uri()}"
    both = resolve(f"apache-airflow=={airflow}", package, day=day)
    assert alone - both == set()
    assert any(pin.startswith("apache-airflow-providers-redis==") for pin in both)

"""The sessions of ``make matrix``: ``python -m nox --list`` shows them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent))

from dev.matrix import COMBINATIONS, LOWEST, NEWEST, OWN_TIME, Combination, interpreter, suite_name

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.reuse_venv = "yes"

QUICK = "not airflow and not slow"
PACKAGE = "airflow_provider_usedesk"
# The day after Airflow 2.11.0, so that its dependencies are those that it was released with.
DAY_OF_LOWEST = "2025-05-21"
BESIDE_THE_WHEEL = Path("build", "matrix", "beside-the-wheel")
# These read the source of the package, or build it.
OF_THE_SOURCE = (
    "test_arrows.py",
    "test_long_description.py",
    "test_packaging.py",
    "test_pins.py",
    "test_sdk.py",
    "test_words.py",
)


def _params(*dependencies: str) -> list[object]:
    """Return the interpreter and the combination of each session."""
    return [
        nox.param(interpreter(one.python) or one.python, one, id=one.session.partition("(")[2].rstrip(")"))
        for one in COMBINATIONS
        if one.dependencies in dependencies
    ]


@nox.session
@nox.parametrize("python,combination", _params(OWN_TIME))
def quick(session: nox.Session, combination: Combination) -> None:
    """Run the quick tests, or what is asked for after --, on one Airflow."""
    packages = (f"apache-airflow=={combination.airflow}", *combination.packages)
    session.install("-c", combination.constraints, "-e", ".[sandbox]", "--group", "test", *packages)
    _run_tests(session, combination)


@nox.session(reuse_venv=False)
@nox.parametrize("python,combination", _params(LOWEST, NEWEST))
def wheel(session: nox.Session, combination: Combination) -> None:
    """Run the quick tests with the wheel and the lowest dependencies that it allows, or the newest."""
    lowest = combination.dependencies == LOWEST
    choice = ("--resolution", "lowest-direct", "--exclude-newer", DAY_OF_LOWEST) if lowest else ("--upgrade",)
    # To uv what a wheel requires is not direct; pyproject.toml requires the same.
    session.install(*choice, "-r", "pyproject.toml", "--all-extras", _built_wheel(session).as_uri())
    pins = Path(session.create_tmp(), "pins.txt")
    frozen = str(session.run("uv", "pip", "freeze", "--quiet", external=True, silent=True))
    if f"apache-airflow=={combination.airflow}" not in frozen:
        session.error(f"Airflow {combination.airflow} was not chosen")
    pins.write_text("".join(line for line in frozen.splitlines(keepends=True) if " @ " not in line))
    session.install("-c", str(pins), "--group", "test")
    _copy_without_package()
    with session.chdir(BESIDE_THE_WHEEL):
        found = session.run("python", "-c", f"import {PACKAGE}; print({PACKAGE}.__file__)", silent=True)
        if "site-packages" not in str(found):
            session.error(f"the tests would not run on the wheel but on {found}")
        _run_tests(session, combination)


def _built_wheel(session: nox.Session) -> Path:
    out = Path("build", "matrix", "wheel").absolute()
    shutil.rmtree(out, ignore_errors=True)
    session.run("uv", "build", "--quiet", "--wheel", "--out-dir", str(out), external=True)
    [path] = out.glob("*.whl")
    return path


def _copy_without_package() -> None:
    """Copy the tests and what they use, so that they find no package but the installed one."""
    shutil.rmtree(BESIDE_THE_WHEEL, ignore_errors=True)
    unwanted = shutil.ignore_patterns("__pycache__", *OF_THE_SOURCE)
    for folder in ("benchmarks", "constraints", "dev", "docs", "example_dags", "tests"):
        shutil.copytree(folder, BESIDE_THE_WHEEL / folder, ignore=unwanted)
    for file in ("README.md", "README.ru.md", "CHANGELOG.md", "LICENSE", "hatch_build.py", "pyproject.toml"):
        shutil.copy(file, BESIDE_THE_WHEEL)


def _run_tests(session: nox.Session, combination: Combination) -> None:
    """Run pytest, and leave its results where ``dev.matrix`` reads them."""
    code = "import platform, airflow; print(airflow.__version__, platform.python_version())"
    airflow, python = str(session.run("python", "-W", "ignore", "-c", code, silent=True)).split()[-2:]
    session.run(
        *("python", "-m", "pytest", "--numprocesses", "2", "--no-loadscope-reorder", "-m", QUICK),
        f"--junitxml={combination.result_file(part=bool(session.posargs))}",
        *("-o", f"junit_suite_name={suite_name(airflow, python)}"),
        *session.posargs,
    )

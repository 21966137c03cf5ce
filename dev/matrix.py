"""
The tests on every supported Airflow, one after the other, and the table of the results.

``python -m dev.matrix`` runs the sessions of ``noxfile.py``, stores the result of each in dev/matrix_results/
and writes the table to docs/compatibility.md. ``python -m dev.matrix 3.0 3.1`` runs a part, whose rows
replace those in the table. What follows ``--`` goes to pytest; then the table stays as it is.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from dev import PROJECT
from dev.text import markdown, say, table, with_table

RESULTS = PROJECT / "build" / "matrix"
STORED = PROJECT / "dev" / "matrix_results"
PAGE = PROJECT / "docs" / "compatibility.md"
BEGIN, END = "<!-- matrix: begin, written by make matrix -->", "<!-- matrix: end -->"
HEAD = ("Airflow", "Python", "dependencies", "passed", "failed", "skipped", "time", "day")

# Airflow 2 requires it; Airflow 3.0 takes the fields of a connection form from it.
FAB = "apache-airflow-providers-fab"
OWN_TIME, LOWEST, NEWEST = "of its time", "lowest allowed", "newest"


@dataclass(frozen=True)
class Combination:
    """
    One Airflow with one Python.

    :param airflow: version of Airflow; empty for the newest
    :param python: version of Python, as in 3.12
    :param dependencies: which versions of everything else
    :param packages: what is installed beside Airflow and the tests
    """

    airflow: str
    python: str
    dependencies: str = OWN_TIME
    packages: tuple[str, ...] = ()

    @property
    def minor(self) -> str:
        return ".".join(self.airflow.split(".")[:2]) or NEWEST

    @property
    def session(self) -> str:
        """Return the name of its nox session."""
        if self.dependencies == OWN_TIME:
            return f"quick(airflow-{self.minor}, python-{self.python})"
        return f"wheel({self.dependencies.split()[0]}, python-{self.python})"

    @property
    def constraints(self) -> str:
        return f"constraints/airflow-{self.minor}.txt"

    def result_file(self, *, part: bool) -> Path:
        """
        Return where its session writes the results of pytest.

        :param part: whether only a part of the tests was asked for
        """
        return RESULTS / f"{'part-' if part else ''}{self._name}.xml"

    @property
    def stored_result(self) -> Path:
        """Return where its last result is stored."""
        return STORED / f"{self._name}.json"

    @property
    def _name(self) -> str:
        return f"{self.minor}-{self.python}-{self.dependencies.split()[0]}"


COMBINATIONS = (
    Combination("2.11.2", "3.11"),
    Combination("2.11.2", "3.12"),
    Combination("3.0.6", "3.12", packages=(FAB,)),
    Combination("3.1.8", "3.12"),
    Combination("3.2.2", "3.13"),
    Combination("3.3.2", "3.11"),
    Combination("3.3.2", "3.13"),
    Combination("2.11.0", "3.11", LOWEST),
    Combination("", "3.13", NEWEST),
)


@dataclass(frozen=True)
class Result:
    """The counts of one run of pytest, and the versions that it ran on."""

    airflow: str
    python: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    day: str

    @classmethod
    def of_junit(cls, text: str) -> Result:
        """
        Read the XML that pytest wrote.

        :param text: the XML; the name of its suite is the versions of Airflow and Python
        """
        [suite] = ElementTree.fromstring(text).iter("testsuite")  # noqa: S314 - pytest wrote it
        counts = {name: int(suite.attrib[name]) for name in ("tests", "errors", "failures", "skipped")}
        failed = counts["errors"] + counts["failures"]
        airflow, python = suite.attrib["name"].split()
        return cls(
            airflow=airflow,
            python=python,
            passed=counts["tests"] - failed - counts["skipped"],
            failed=failed,
            skipped=counts["skipped"],
            seconds=float(suite.attrib["time"]),
            day=suite.attrib["timestamp"][:10],
        )


def suite_name(airflow: str, python: str) -> str:
    """Return the name of the suite, which ``Result.of_junit`` reads."""
    return f"{airflow} {python}"


def selected(parts: Sequence[str]) -> list[Combination]:
    """
    Return the combinations that were asked for.

    :param parts: each a version of Airflow (3.0, or 3.0.6), ``lowest``, ``newest``, or the name of a session;
        none for all
    """
    unknown = [part for part in parts if not any(_is_meant(one, part) for one in COMBINATIONS)]
    if unknown:
        names = ", ".join(dict.fromkeys(_short(one) for one in COMBINATIONS))
        raise ValueError(f"not in the matrix: {', '.join(unknown)}; there are {names}")
    return [one for one in COMBINATIONS if not parts or any(_is_meant(one, part) for part in parts)]


def _short(one: Combination) -> str:
    return one.minor if one.dependencies == OWN_TIME else one.dependencies.split()[0]


def _is_meant(one: Combination, part: str) -> bool:
    return part in (_short(one), one.session) or (one.dependencies == OWN_TIME and part == one.airflow)


@cache
def interpreter(version: str) -> str | None:
    """
    Return a Python of this version that starts, or nothing; nothing is downloaded.

    :param version: as in 3.12
    """
    return next((path for path in _candidates(version) if _version_of(path) == version), None)


def _candidates(version: str) -> Iterator[str]:
    name = f"python{version}"
    yield sys.executable
    yield from (str(Path(folder) / name) for folder in os.get_exec_path())
    # A pyenv shim is on PATH and refuses to start a version that is not chosen.
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted((pyenv / "versions").glob(f"{version}*/bin/{name}")))
    find = [
        sys.executable,
        "-m",
        "uv",
        "python",
        "find",
        "--managed-python",
        "--no-python-downloads",
        version,
    ]
    yield subprocess.run(find, capture_output=True, text=True, check=False).stdout.strip()


def _version_of(path: str) -> str | None:
    if not path or shutil.which(path) is None:
        return None
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def cells(one: Combination, result: Result | None, python: str | None) -> tuple[str, ...]:
    """
    Return a row of the table.

    :param result: its results, if there are any
    :param python: its interpreter, if there is one
    """
    if result is None:
        nothing = f"left out: no Python {one.python} here" if python is None else "no result"
        return one.airflow or NEWEST, one.python, one.dependencies, nothing, "", "", "", ""
    minutes, seconds = divmod(round(result.seconds), 60)
    counts = (str(result.passed), str(result.failed), str(result.skipped))
    return result.airflow, result.python, one.dependencies, *counts, f"{minutes}:{seconds:02}", result.day


def page_with_table(page: str, rows: Iterable[Sequence[str]]) -> str:
    """
    Return the page with a new table between its markers.

    :param page: text of the page
    """
    return with_table(page, BEGIN, END, markdown(HEAD, rows))


def main(arguments: list[str]) -> int:
    """
    Run, print the table, and after a run of all tests store the results and write the table to the page.

    :param arguments: what to select, then ``--`` and arguments of pytest
    :return: exit status: 1 if a test failed or a session has no result
    """
    split = arguments.index("--") if "--" in arguments else len(arguments)
    try:
        chosen = selected(arguments[:split])
    except ValueError as error:
        sys.exit(str(error))
    is_part = split < len(arguments)
    for one in chosen:
        one.result_file(part=is_part).unlink(missing_ok=True)
        if not is_part:
            one.stored_result.unlink(missing_ok=True)
    ready = [one for one in chosen if interpreter(one.python)]
    status = _nox([one.session for one in ready], arguments[split:]) if ready else 0
    results = {one: _read(one.result_file(part=is_part)) for one in chosen}
    say(table(HEAD, [cells(one, result, interpreter(one.python)) for one, result in results.items()]))
    for one in chosen:
        if one not in ready:
            say(f"Left out: {one.session}: there is no Python {one.python} on this machine.")
    if not is_part:
        for one, result in results.items():
            _store(one, result)
        PAGE.write_text(page_with_table(PAGE.read_text(), _stored_rows()))
        say(f"Written to {PAGE.relative_to(PROJECT)}.")
    return status


def _nox(sessions: Sequence[str], arguments: Sequence[str]) -> int:
    """Run the sessions; one that fails does not stop the others."""
    nox = [sys.executable, "-m", "nox", "--noxfile", str(PROJECT / "noxfile.py"), "--session", *sessions]
    return subprocess.run([*nox, *arguments], cwd=PROJECT, check=False).returncode


def _read(file: Path) -> Result | None:
    return Result.of_junit(file.read_text()) if file.exists() else None


def _store(one: Combination, result: Result | None) -> None:
    if result is not None:
        STORED.mkdir(exist_ok=True)
        one.stored_result.write_text(json.dumps(asdict(result), indent=2) + "\n")


def _stored_rows() -> list[tuple[str, ...]]:
    rows = []
    for one in COMBINATIONS:
        stored = one.stored_result
        result = Result(**json.loads(stored.read_text())) if stored.exists() else None
        rows.append(cells(one, result, interpreter(one.python)))
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

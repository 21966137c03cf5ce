"""The files of constraints: plain pins, without the address that a package came from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dev.matrix import COMBINATIONS, OWN_TIME

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?==[\w.!+]+( ; [\w.<>=!' ()*-]+)?")
PINNED = [one for one in COMBINATIONS if one.dependencies == OWN_TIME]


@pytest.mark.parametrize("path", sorted((ROOT / "constraints").iterdir()), ids=lambda path: path.name)
def test_every_line_is_a_pin(path):
    comment, *lines = path.read_text().splitlines()
    assert re.fullmatch(
        r"# Made by 'make constraints' from pyproject\.toml and apache-airflow==[\d.]+"
        r"( as of \d{4}-\d\d-\d\d)?\.",
        comment,
    )
    assert [line for line in lines if not PIN.fullmatch(line)] == []
    assert len(lines) > 100


@pytest.mark.parametrize("one", PINNED, ids=lambda one: one.session)
def test_every_combination_is_pinned(one):
    assert f"apache-airflow=={one.airflow}" in (ROOT / one.constraints).read_text().splitlines()

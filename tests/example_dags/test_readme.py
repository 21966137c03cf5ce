"""The Dag of the README runs as it is pasted, and the README keeps its shape."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airflow_provider_usedesk import operators
from airflow_provider_usedesk.compat.version import AIRFLOW, HAS_STATE_STORES

ROOT = Path(__file__).parents[2]
READMES = ["README.md", "README.ru.md"]
BASES = {"UsedeskOperator", "SendTicketOperator"}
LINK = re.compile(r"\]\(([^)\s]+)\)")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / name).read_text(), re.DOTALL | re.MULTILINE)


def complete_dag(name: str) -> str:
    [source] = [block for block in blocks(name, "python") if "@dag" in block]
    # What both pages say about Airflow 2.11.
    return source if AIRFLOW >= (3, 0) else source.replace("airflow.sdk", "airflow.decorators")


@pytest.mark.parametrize("name", READMES)
def test_dag_runs_as_pasted(name, run_dag, usedesk_sandbox):
    run = run_dag(complete_dag(name))
    assert run.state == "success"
    [ticket] = usedesk_sandbox.tickets
    assert ticket.message_status == "delivered"
    assert len(ticket.template_variables) == 3
    assert run.xcoms["remind", -1]["return_value"] == ticket.ticket_id
    [_, note] = ticket.comments
    assert note.is_private
    assert run.run_id in note.message


@pytest.mark.skipif(not HAS_STATE_STORES, reason="without checkpoint_path a batch needs Airflow 3.3")
@pytest.mark.parametrize("name", READMES)
def test_every_python_block_can_be_parsed(name):
    for block in blocks(name, "python"):
        exec(compile(block, name, "exec"), {"__name__": "example"})


@pytest.mark.parametrize("name", READMES)
def test_links_lead_somewhere(name):
    targets = [link for link in LINK.findall((ROOT / name).read_text()) if "://" not in link]
    lost = [link for link in targets if not (ROOT / link.partition("#")[0]).exists()]
    assert lost == []
    assert [link for link in targets if "#" in link and link.partition("#")[2] not in anchors(link)] == []


def anchors(link: str) -> set[str]:
    """Return the anchors of the headings of the page that a link leads to."""
    page = (ROOT / link.partition("#")[0]).read_text()
    titles = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


def test_readmes_show_the_same_dag():
    # Texts for readers differ, the structure does not.
    def shape(name: str) -> list[str]:
        return re.findall(r"\w+Operator|task_id=\"\w+\"|\w+_id=\d+", complete_dag(name))

    assert shape("README.md") == shape("README.ru.md")


@pytest.mark.parametrize("name", READMES)
def test_readme_names_every_operator(name):
    sources = Path(operators.__file__).parent.glob("*.py")
    classes = re.findall(r"^class (\w+Operator)\(", "".join(map(Path.read_text, sources)), re.MULTILINE)
    public = [one for one in classes if not one.startswith(("_", "Base")) and one not in BASES]
    assert len(public) > 10
    text = (ROOT / name).read_text()
    assert [one for one in public if one not in text] == []

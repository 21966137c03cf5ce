"""
The inbox in a real browser: accessible, without sideways scrolling, up to date without losing the place.

``USEDESK_SCREENSHOTS`` names a folder for pictures of the pages.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
import requests

from airflow_provider_usedesk.sandbox import Sandbox, Webhooks, close
from tests.support.browser import CHROMIUM, DRIVER, started_browser

AXE = importlib.util.find_spec("axe_core_python")
HAS_BROWSER = bool(CHROMIUM and DRIVER)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not HAS_BROWSER, reason="chromium and chromedriver are not installed"),
]
LONG_TAG = "очень-длинная-метка-без-пробелов-" * 7
KEY = "af2.3kq7t2mzx4wd5c6e.-.r6h2kq7t2mzx.4wd5c6e2.7f2a9c04/overdue_invoices/reminders.send_reminder"
PAGES = {
    "list": "",
    "search": "?text=Счёт&tag=invoice",
    "nothing": "?text=nothing",
    "new": "new",
    "ticket": "tickets/{ticket}",
    "requests": "requests",
    "request": "requests/{request}",
    "webhooks": "webhooks",
    "webhook": "webhooks/{webhook}",
    "faults": "faults",
    "clients": "clients",
    "channels": "channels",
    "docs": "_sandbox/docs",
}
# Short texts that take more than two lines, because a neighbour leaves them too little space.
BROKEN_WORDS = """
return [...document.querySelectorAll('dt, th, td, .chip, label, button, a')].filter((one) => {
  const text = one.textContent.trim(), range = document.createRange();
  range.selectNodeContents(one);
  const lines = new Set([...range.getClientRects()].map((rect) => Math.round(rect.top / 8)));
  return text && text.length < 16 && !one.querySelector('input, select') && lines.size > 2;
}).map((one) => one.outerHTML);
"""


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(airflow_url="http://localhost:8080", webhooks=Webhooks(tries=1)) as sandbox:
        sandbox.redirect_url = sandbox.inbox_url + "nowhere"
        yield sandbox


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with started_browser(str(tmp_path_factory.mktemp("profile"))) as browser:
        yield browser


@pytest.fixture(scope="module")
def create(sandbox):
    with requests.Session() as session:
        session.trust_env = False

        def create(**params):
            body = {"api_token": sandbox.token, "subject": "s", "message": "m", **params}
            return session.post(f"{sandbox.url}/create/ticket", json=body, timeout=60).json().get("ticket_id")

        yield create


@pytest.fixture(scope="module")
def places(sandbox, create):
    """Fill the sandbox with 500 tickets; return the ids that the addresses of the pages need."""
    whatsapp = {"from": "user", "user_id": 2156, "client_phone": "79123456789"}
    for number in range(499):
        channel = (1, 20054, 20056, 683)[number % 4]
        tag = ("invoice", "refund,vip", "")[number % 3]
        create(subject=f"Счёт 2026-{number} просрочен", channel_id=channel, tag=tag, **whatsapp)
    ticket = create(
        subject="Возврат по заказу A-17: длинная тема " + "очень" * 20,
        message='<p>Здравствуйте! <a href="https://example.org">Заказ</a></p>',
        tag=f"{LONG_TAG[:200]},vip",
        channel_id=20054,
        additional_id=KEY,
        field_id="10",
        field_value="A-17",
        **whatsapp,
    )
    sandbox.send_report(ticket, "UNDELIVERED")
    sandbox.write_as_client("Спасибо", ticket)
    requests.post(f"{sandbox.url}/create/ticket", json={"api_token": "wrong-token"}, timeout=60)
    sandbox.fail(close("after"), times=3, method="create/comment")
    sandbox.wait_for_webhooks(60)
    number = next(one.number for one in sandbox.requests_received if one.ticket_id == ticket)
    return {"ticket": ticket, "request": number, "webhook": sandbox.webhooks_sent[-1].number}


def save_picture(browser, name):
    folder = os.environ.get("USEDESK_SCREENSHOTS")
    if folder:
        (Path(folder) / f"{name}.png").write_bytes(browser.screenshot())


@pytest.mark.skipif(AXE is None, reason="axe-core-python is not installed")
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_page_is_accessible(sandbox, browser, places, name, theme, width):
    browser.set_size(width)
    browser.set_theme(theme)
    browser.open(sandbox.inbox_url + PAGES[name].format(**places))
    save_picture(browser, f"{name}-{theme}-{width}")
    axe = Path(str(AXE.origin)).with_name("axe.min.js").read_text(encoding="utf-8")
    script = f"{axe}; const done = arguments[arguments.length - 1]; axe.run(document).then(done, done);"
    found = browser.run_async(script)
    assert {one["id"]: [node["html"] for node in one["nodes"]] for one in found["violations"]} == {}
    assert len(found["passes"]) > 10


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
def test_page_does_not_scroll_sideways(sandbox, browser, places, name, width):
    browser.set_size(width)
    browser.open(sandbox.inbox_url + PAGES[name].format(**places))
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.run(BROKEN_WORDS) == []


def test_link_of_a_message_opens_a_tab(sandbox, browser, places):
    browser.open(f"{sandbox.inbox_url}tickets/{places['ticket']}")
    frames = browser.run(
        "return [...document.querySelectorAll('iframe')].map(one => [one.sandbox.value, one.srcdoc])"
    )
    assert frames[0][0] == "allow-popups allow-popups-to-escape-sandbox"
    assert '<a target="_blank" rel="noopener noreferrer"' in frames[0][1]


def test_list_stays_up_to_date_and_keeps_the_place(sandbox, browser, places, create):
    browser.set_size(1280, 500)
    browser.open(sandbox.inbox_url)
    focus = (
        "const link = document.querySelectorAll('#tickets a')[30]; link.scrollIntoView({block: 'center'});"
    )
    browser.run(f"{focus} link.focus(); window.noReload = true;")
    where = (
        "return [document.activeElement.href, Math.round(document.activeElement.getBoundingClientRect().top)]"
    )
    before = browser.run(where)
    created = create(subject="Новое обращение")
    assert browser.wait_until("return document.getElementById(arguments[0]) !== null", f"ticket-{created}")
    assert browser.run("return document.querySelector('#tickets tbody tr').id") == f"ticket-{created}"
    after = browser.run(where)
    assert after[0] == before[0]
    assert after[1] == pytest.approx(before[1], abs=2)
    assert browser.run("return window.noReload") is True
    assert (
        browser.run("return document.getElementById('count').textContent")
        == f"{len(sandbox.tickets)} tickets"
    )
    sandbox.update(created, status=2)
    browser.wait_until(
        "return document.getElementById(arguments[0]).textContent.includes('Solved')", f"ticket-{created}"
    )


def test_ticket_page_shows_what_comes_later(sandbox, browser, create):
    ticket = create(channel_id=20054, client_phone="79123456789", **{"from": "user"}, user_id=2156)
    browser.open(f"{sandbox.inbox_url}tickets/{ticket}")
    browser.run("document.querySelector('textarea').value = 'half a reply'")
    sandbox.write_as_client("Спасибо", ticket)
    sandbox.send_report(ticket, "UNDELIVERED", sandbox.ticket(ticket).comments[0].id)
    browser.wait_until("return document.querySelectorAll('#comments iframe').length === 2")
    browser.wait_until("return document.getElementById('ticket').textContent.includes('UNDELIVERED')")
    assert browser.run("return document.querySelector('textarea').value") == "half a reply"


def test_skip_link_leads_to_the_content(sandbox, browser):
    browser.open(sandbox.inbox_url)
    browser.run("document.querySelector('.skip').click()")
    assert browser.run("return document.activeElement.id") == "main"


def test_pages_load_nothing_from_elsewhere(sandbox, browser, places):
    browser.open(f"{sandbox.inbox_url}tickets/{places['ticket']}")
    loaded = browser.run("return performance.getEntriesByType('resource').map(one => one.name)")
    assert all(address.startswith(sandbox.inbox_url) for address in loaded)

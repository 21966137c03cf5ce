"""The inbox: pages, without scripts and external files, that show tickets and let a person change them."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader

from airflow_provider_usedesk.sandbox.call import FILES_PATH
from airflow_provider_usedesk.sandbox.company import STATUS_NAMES
from airflow_provider_usedesk.sandbox.state import State
from airflow_provider_usedesk.sandbox.webhooks import Encoding, ping, redacted_redirect_url

# A message may have its own style; nothing in it may run, load or leave its frame.
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
# With "no-referrer" a browser would send "Origin: null" with the inbox's own forms.
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store"}
# In the order of a ticket's life; an agent cannot set the other statuses.
STATUSES_BY_HAND = (1, 5, 6, 2, 3, 7, 4)
MAX_STATUS = 64


def inbox_routes(state: State) -> APIRouter:
    """Build the routes of the pages and their forms."""
    pages = Pages(state)
    router = APIRouter(default_response_class=HTMLResponse)
    router.get("/")(pages.tickets)
    router.get("/tickets/{ticket_id}")(pages.ticket)
    router.get("/webhooks")(pages.webhooks)
    router.get("/clients")(pages.clients)
    router.get("/channels")(pages.channels)
    router.get(FILES_PATH + "/{file_id}")(pages.file)
    forms = Forms(state)
    router.post("/tickets/{ticket_id}/status")(forms.set_status)
    router.post("/tickets/{ticket_id}/report")(forms.send_report)
    router.post("/webhooks/url")(forms.set_redirect_url)
    router.post("/webhooks/settings")(forms.set_webhooks)
    router.post("/webhooks/ping")(forms.send_ping)
    return router


class Pages:
    """
    The pages of the inbox.

    :param state: the sandbox
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._templates = Environment(
            loader=PackageLoader("airflow_provider_usedesk.sandbox"), autoescape=True, trim_blocks=True
        )
        self._templates.globals.update(status_names=STATUS_NAMES, statuses=STATUSES_BY_HAND)
        self._templates.filters.update(
            size=_size, framed=_framed, moment=lambda at: at.strftime("%d %b %H:%M:%S")
        )

    def tickets(self) -> HTMLResponse:
        newest_first = list(reversed(self._state.tickets()))
        return self._page("tickets.html", here="tickets", tickets=newest_first)

    def ticket(self, ticket_id: int) -> HTMLResponse:
        company = self._state.company()
        found = company.tickets.get(ticket_id)
        if found is None:
            raise HTTPException(404, "There is no such ticket.")
        client = company.clients[found.client_id]
        return self._page("ticket.html", here="tickets", ticket=found, client=client)

    def webhooks(self) -> HTMLResponse:
        url = self._state.redirect_url
        return self._page(
            "webhooks.html",
            here="webhooks",
            url=redacted_redirect_url(url) if url else None,
            settings=self._state.webhooks,
            sent=list(reversed(self._state.webhooks_sent())),
        )

    def clients(self) -> HTMLResponse:
        return self._page(
            "clients.html", here="clients", clients=list(self._state.company().clients.values())
        )

    def channels(self) -> HTMLResponse:
        return self._page("channels.html", here="channels")

    def file(self, file_id: int) -> Response:
        found = self._state.company().files.get(file_id)
        if found is None:
            raise HTTPException(404, "There is no such file.")
        name = f"attachment; filename*=UTF-8''{quote(found.name, safe='')}"
        headers = {**HEADERS, "Content-Disposition": name, "Content-Security-Policy": "sandbox"}
        return Response(found.content, media_type="application/octet-stream", headers=headers)

    def _page(self, template: str, **values: Any) -> HTMLResponse:
        content = self._templates.get_template(template).render(company=self._state.company(), **values)
        return HTMLResponse(content, headers={**HEADERS, "Content-Security-Policy": PAGE_POLICY})


class Forms:
    """
    The forms of the inbox.

    :param state: the sandbox
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def set_status(self, ticket_id: int, status: Annotated[str, Form()] = "") -> Response:
        if status not in map(str, STATUSES_BY_HAND):
            raise HTTPException(400, "An agent cannot set this status.")
        try:
            self._state.update(ticket_id, {"status": int(status)})
        except KeyError:
            raise HTTPException(404, "There is no such ticket.") from None
        return _see_other(f"/tickets/{ticket_id}")

    def send_report(self, ticket_id: int, status: Annotated[str, Form()] = "") -> Response:
        if not status.strip() or len(status) > MAX_STATUS:
            raise HTTPException(400, f"A report needs a status of at most {MAX_STATUS} characters.")
        try:
            self._state.send_report(ticket_id, status.strip())
        except KeyError:
            raise HTTPException(404, "There is no such ticket.") from None
        return _see_other("/webhooks")

    def set_redirect_url(self, url: Annotated[str, Form()] = "") -> Response:
        try:
            self._state.redirect_url = url
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        return _see_other("/webhooks")

    def set_webhooks(
        self,
        delay: Annotated[float, Form()],
        encoding: Annotated[Encoding, Form()],
        repeats: Annotated[int, Form()],
        tries: Annotated[int, Form()],
        delivery_status: Annotated[str, Form(max_length=MAX_STATUS)] = "",
    ) -> Response:
        try:
            self._state.webhooks = replace(
                self._state.webhooks,
                delivery_status=delivery_status.strip() or None,
                delay=delay,
                encoding=encoding,
                repeats=repeats,
                tries=tries,
            )
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        return _see_other("/webhooks")

    def send_ping(self) -> Response:
        self._state.send(ping())
        return _see_other("/webhooks")


def _see_other(path: str) -> RedirectResponse:
    return RedirectResponse(path, 303, headers=HEADERS)


def _size(count: int) -> str:
    for unit, limit in (("B", 1024), ("kB", 1024**2), ("MB", 1024**3)):
        if count < limit:
            return f"{count / (limit / 1024):.{0 if unit == 'B' else 1}f} {unit}"
    return f"{count / 1024**3:.1f} GB"


def _framed(message: str) -> str:
    """Return the HTML document of a message for its own frame; plain text keeps its line breaks."""
    is_html = re.search(r"<[a-zA-Z/!]", message)
    content = message if is_html else f"<pre>{html.escape(message)}</pre>"
    return (
        "<!doctype html><meta charset=utf-8>"
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        "<style>body{font:15px/1.5 system-ui,sans-serif;margin:12px;color:#1f2937;background:#fff;"
        "overflow-wrap:anywhere}pre{font:inherit;white-space:pre-wrap;margin:0}</style>"
        f"{content}"
    )

"""The inbox: pages that show what a Dag sent, escaped, without scripts and without outside files."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader

from airflow_provider_usedesk.sandbox.state import State
from airflow_provider_usedesk.sandbox.world import STATUS_NAMES

# The style of a message is its own; nothing in it may run, load or leave its frame.
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'"
)
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


def inbox_routes(state: State) -> APIRouter:
    """Make the routes of the pages; below ``/inbox`` where the API itself has no path of its own."""
    prefix = state.options.inbox_path
    router = APIRouter(prefix=prefix, default_response_class=HTMLResponse)
    pages = Environment(
        loader=PackageLoader("airflow_provider_usedesk.sandbox"), autoescape=True, trim_blocks=True
    )
    pages.globals.update(prefix=prefix, status_names=STATUS_NAMES)
    pages.filters.update(
        size=_size, shown_alone=_shown_alone, moment=lambda at: at.strftime("%d %b %H:%M:%S")
    )

    def page(template: str, **values: Any) -> HTMLResponse:
        content = pages.get_template(template).render(world=state.look(), **values)
        return HTMLResponse(content, headers={**HEADERS, "Content-Security-Policy": PAGE_POLICY})

    @router.get("/")
    def tickets() -> HTMLResponse:
        return page("tickets.html", here="tickets", tickets=list(reversed(state.tickets())))

    @router.get("/tickets/{ticket_id}")
    def ticket(ticket_id: int) -> HTMLResponse:
        found = state.look().tickets.get(ticket_id)
        if found is None:
            raise HTTPException(404, "There is no such ticket.")
        return page("ticket.html", here="tickets", ticket=found, client=state.look().clients[found.client_id])

    @router.get("/clients")
    def clients() -> HTMLResponse:
        return page("clients.html", here="clients", clients=list(state.look().clients.values()))

    @router.get("/channels")
    def channels() -> HTMLResponse:
        return page("channels.html", here="channels")

    @router.get("/files/{file_id}")
    def file(file_id: int) -> Response:
        found = state.look().files.get(file_id)
        if found is None:
            raise HTTPException(404, "There is no such file.")
        name = f"attachment; filename*=UTF-8''{quote(found.name, safe='')}"
        headers = {**HEADERS, "Content-Disposition": name, "Content-Security-Policy": "sandbox"}
        return Response(found.content, media_type="application/octet-stream", headers=headers)

    return router


def _size(count: int) -> str:
    for unit, limit in (("B", 1024), ("kB", 1024**2), ("MB", 1024**3)):
        if count < limit:
            return f"{count / (limit / 1024):.{0 if unit == 'B' else 1}f} {unit}"
    return f"{count / 1024**3:.1f} GB"


def _shown_alone(message: str) -> str:
    """Write the document of a message for its own frame; plain text keeps its lines."""
    is_html = re.search(r"<[a-zA-Z/!]", message)
    content = message if is_html else f"<pre>{html.escape(message)}</pre>"
    return (
        "<!doctype html><meta charset=utf-8>"
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        "<style>body{font:15px/1.5 system-ui,sans-serif;margin:12px;color:#1f2937;background:#fff;"
        "overflow-wrap:anywhere}pre{font:inherit;white-space:pre-wrap;margin:0}</style>"
        f"{content}"
    )

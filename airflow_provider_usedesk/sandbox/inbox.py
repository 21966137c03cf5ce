"""The inbox: pages without scripts and outside files, which show what a Dag sent and let a person answer."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader

from airflow_provider_usedesk.sandbox.state import State
from airflow_provider_usedesk.sandbox.webhooks import Encoding, ping, shown_redirect_url
from airflow_provider_usedesk.sandbox.world import STATUS_NAMES

# The style of a message is its own; nothing in it may run, load or leave its frame.
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'self'"
)
# With "no-referrer" a browser would name no origin when it sends our own form.
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store"}
# In the order of a ticket's life; an agent gives no ticket the others by hand.
STATUSES_BY_HAND = (1, 5, 6, 2, 3, 7, 4)


def inbox_routes(state: State) -> APIRouter:
    """Make the routes of the pages; below ``/inbox`` where the API itself has no path of its own."""
    prefix = state.options.inbox_path
    router = APIRouter(prefix=prefix, default_response_class=HTMLResponse)
    pages = Environment(
        loader=PackageLoader("airflow_provider_usedesk.sandbox"), autoescape=True, trim_blocks=True
    )
    pages.globals.update(prefix=prefix, status_names=STATUS_NAMES, statuses=STATUSES_BY_HAND)
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

    @router.post("/tickets/{ticket_id}/status")
    def set_status(request: Request, ticket_id: int, status: Annotated[str, Form()] = "") -> Response:
        _refuse_from_elsewhere(request)
        if status not in map(str, STATUSES_BY_HAND):
            raise HTTPException(400, "There is no such status to set.")
        try:
            state.update(ticket_id, {"status": int(status)})
        except KeyError:
            raise HTTPException(404, "There is no such ticket.") from None
        return RedirectResponse(f"{prefix}/tickets/{ticket_id}", 303, headers=HEADERS)

    @router.post("/tickets/{ticket_id}/report")
    def send_report(request: Request, ticket_id: int, status: Annotated[str, Form()] = "") -> Response:
        _refuse_from_elsewhere(request)
        if not status.strip() or len(status) > 64:
            raise HTTPException(400, "A report needs a status, of at most 64 characters.")
        try:
            state.report(ticket_id, status.strip(), None)
        except KeyError:
            raise HTTPException(404, "There is no such ticket.") from None
        return RedirectResponse(f"{prefix}/webhooks", 303, headers=HEADERS)

    @router.get("/webhooks")
    def webhooks() -> HTMLResponse:
        url = state.redirect_url
        return page(
            "webhooks.html",
            here="webhooks",
            url=shown_redirect_url(url) if url else None,
            settings=state.webhooks,
            sent=list(reversed(state.sent_webhooks())),
        )

    @router.post("/webhooks/url")
    def set_redirect_url(request: Request, url: Annotated[str, Form()] = "") -> Response:
        _refuse_from_elsewhere(request)
        try:
            state.redirect_to(url)
        except ValueError as fault:
            raise HTTPException(400, f"{fault}.") from None
        return RedirectResponse(f"{prefix}/webhooks", 303, headers=HEADERS)

    @router.post("/webhooks/settings")
    def set_webhooks(
        request: Request,
        delay: Annotated[float, Form()],
        encoding: Annotated[Encoding, Form()],
        repeats: Annotated[int, Form()],
        tries: Annotated[int, Form()],
        delivery_status: Annotated[str, Form(max_length=64)] = "",
        reorder: Annotated[bool, Form()] = False,
    ) -> Response:
        _refuse_from_elsewhere(request)
        try:
            state.webhooks = replace(
                state.webhooks,
                delivery_status=delivery_status.strip() or None,
                delay=delay,
                encoding=encoding,
                repeats=repeats,
                reorder=reorder,
                tries=tries,
            )
        except ValueError as fault:
            raise HTTPException(400, f"{fault}.") from None
        return RedirectResponse(f"{prefix}/webhooks", 303, headers=HEADERS)

    @router.post("/webhooks/ping")
    def send_ping(request: Request) -> Response:
        _refuse_from_elsewhere(request)
        state.send(ping())
        return RedirectResponse(f"{prefix}/webhooks", 303, headers=HEADERS)

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


def _refuse_from_elsewhere(request: Request) -> None:
    if _is_from_elsewhere(request):
        raise HTTPException(403, "Only a page of this inbox does this.")


def _is_from_elsewhere(request: Request) -> bool:
    """Tell whether a browser sent this from a page of another site; another port is another site, too."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin", "none"):
        return True
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")


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

"""The routes of the inbox: pages that show what the sandbox received, and forms that change it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from airflow_provider_usedesk.sandbox.call import FILES_PATH
from airflow_provider_usedesk.sandbox.forms import Forms
from airflow_provider_usedesk.sandbox.page import HEADERS
from airflow_provider_usedesk.sandbox.pages import Pages
from airflow_provider_usedesk.sandbox.state import State

STATIC = Path(__file__).parent / "static"


def inbox_routes(state: State) -> APIRouter:
    """Build the routes of the pages and their forms."""
    router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)
    pages, forms = Pages(state), Forms(state)
    pages_by_path: dict[str, Callable[..., Response]] = {
        "/": pages.tickets,
        "/new": pages.new_ticket,
        "/tickets/{ticket_id}": pages.ticket,
        "/requests": pages.requests,
        "/requests/{number}": pages.request,
        "/webhooks": pages.webhooks,
        "/webhooks/{number}": pages.webhook,
        "/faults": pages.faults,
        "/clients": pages.clients,
        "/channels": pages.channels,
        FILES_PATH + "/{file_id}": pages.file,
        "/static/{name}": _static,
    }
    forms_by_path: dict[str, Callable[..., Response]] = {
        "/new": forms.new_ticket,
        "/tickets/delete": forms.delete_all,
        "/tickets/{ticket_id}/delete": forms.delete,
        "/tickets/{ticket_id}/reply": forms.reply,
        "/tickets/{ticket_id}/status": forms.set_status,
        "/tickets/{ticket_id}/report": forms.send_report,
        "/webhooks/url": forms.set_redirect_url,
        "/webhooks/settings": forms.set_webhooks,
        "/webhooks/ping": forms.send_ping,
        "/webhooks/{number}/resend": forms.resend,
        "/faults": forms.add_fault,
        "/faults/clear": forms.clear_faults,
    }
    for path, page in pages_by_path.items():
        router.get(path)(page)
    for path, form in forms_by_path.items():
        router.post(path)(form)
    return router


def _static(name: str) -> Response:
    """Return a file of the inbox itself: its script or its style."""
    found = {path.name: path for path in STATIC.iterdir()}.get(name)
    if found is None:
        return Response("There is no such file.\n", 404, media_type="text/plain")
    media_type = {".js": "text/javascript", ".css": "text/css"}[found.suffix]
    return FileResponse(found, media_type=media_type, headers=HEADERS)

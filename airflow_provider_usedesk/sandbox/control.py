"""The API for tests in any language, at ``/_sandbox/``: reads, waits, and sets faults; needs no token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, FastAPI, HTTPException, Path, Query
from fastapi.responses import HTMLResponse

from airflow_provider_usedesk.sandbox.client_message import client_message
from airflow_provider_usedesk.sandbox.company import Ticket
from airflow_provider_usedesk.sandbox.control_json import request_json, ticket_json, webhook_json
from airflow_provider_usedesk.sandbox.fault_orders import order_fault
from airflow_provider_usedesk.sandbox.http_errors import http_errors
from airflow_provider_usedesk.sandbox.page import rendered_page
from airflow_provider_usedesk.sandbox.pages import newest_first
from airflow_provider_usedesk.sandbox.state import State
from airflow_provider_usedesk.sandbox.ticket_search import Page, TicketSearch, page_of

PREFIX = "/_sandbox"
OPENAPI_PATH = f"{PREFIX}/openapi.json"
MAX_WAIT = 300
POLL_SECONDS = 0.05
# FastAPI before 0.117 takes the annotation None for a body, which 204 cannot have.
NO_CONTENT: Any = {"status_code": 204, "response_model": None}

Text = Annotated[
    str, Query(description="part of an id, a subject, a message, a client's address or an additional_id")
]
Channel = Annotated[str, Query(description="id of the channel")]
Tag = Annotated[str, Query(description="the whole tag")]
DeliveryQuery = Annotated[str, Query(description="accepted, delivered or failed")]
PageNumber = Annotated[int, Query(ge=1, description="page of 50, newest first")]
TicketId = Annotated[int, Path(description="id of the ticket")]
JsonBody = Annotated[dict[str, Any], Body()]


def control_routes(state: State) -> APIRouter:
    """Build the routes of the API for tests."""
    control = Control(state)
    router = APIRouter(prefix=PREFIX)
    router.get("/tickets")(control.list_tickets)
    router.get("/tickets/wait")(control.wait_for_ticket)
    router.get("/tickets/{ticket_id}")(control.get_ticket)
    router.post("/tickets", status_code=201)(control.write_as_client)
    router.post("/tickets/{ticket_id}/replies", status_code=201)(control.reply_as_client)
    router.delete("/tickets/{ticket_id}", **NO_CONTENT)(control.delete_ticket)
    router.delete("/tickets", **NO_CONTENT)(control.delete_tickets)
    router.get("/requests")(control.list_requests)
    router.get("/webhooks")(control.list_webhooks)
    router.get("/faults")(control.list_faults)
    router.post("/faults", status_code=201)(control.add_fault)
    router.delete("/faults", **NO_CONTENT)(control.clear_faults)
    router.post("/reset", **NO_CONTENT)(control.reset)
    return router


def docs_route(app: FastAPI) -> APIRouter:
    """Build the page that describes the API; it needs no file from elsewhere."""
    router = APIRouter(include_in_schema=False)

    @router.get(f"{PREFIX}/docs")
    def docs() -> HTMLResponse:
        return rendered_page("docs.html", here="api", operations=list(_operations(app.openapi())))

    return router


class Control:
    """
    The operations of the API for tests.

    :param state: the sandbox
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def list_tickets(
        self,
        text: Text = "",
        channel: Channel = "",
        tag: Tag = "",
        delivery: DeliveryQuery = "",
        page: PageNumber = 1,
    ) -> dict[str, Any]:
        """List the tickets that match, 50 on a page."""
        company, now = self._state.company(), self._state.now()
        search = TicketSearch(text, channel, tag, delivery)
        found = page_of(search.find(company, newest_first(company.tickets.values()), now), page)
        return {"tickets": [ticket_json(company, one, now) for one in found.rows], **_numbers(found)}

    def get_ticket(self, ticket_id: TicketId) -> dict[str, Any]:
        """Return one ticket with its comments and delivery reports."""
        return self._json(self._ticket(ticket_id))

    async def wait_for_ticket(
        self,
        text: Text = "",
        channel: Channel = "",
        tag: Tag = "",
        delivery: DeliveryQuery = "",
        after: Annotated[int, Query(ge=0, description="only tickets with a higher id")] = 0,
        timeout: Annotated[float, Query(ge=0, le=MAX_WAIT, description="seconds")] = 10,
    ) -> dict[str, Any]:
        """Wait for a ticket that matches; return the first one, or 404 if none comes in time."""
        search, deadline = TicketSearch(text, channel, tag, delivery), time.monotonic() + timeout
        while (found := self._first(search, after)) is None:
            if time.monotonic() >= deadline:
                raise HTTPException(404, f"No such ticket came within {timeout:g} s.")
            await asyncio.sleep(POLL_SECONDS)
        return self._json(found)

    def write_as_client(self, params: JsonBody) -> dict[str, Any]:
        """Open a ticket as a client: ``message``, and parameters of create/ticket such as ``tag``."""
        given = dict(params)
        with http_errors():
            return self._json(client_message(self._state, str(given.pop("message", "")), None, given))

    def reply_as_client(self, ticket_id: TicketId, params: JsonBody) -> dict[str, Any]:
        """Reply on a ticket as its client: ``message``."""
        given = dict(params)
        with http_errors():
            return self._json(client_message(self._state, str(given.pop("message", "")), ticket_id, given))

    def delete_ticket(self, ticket_id: TicketId) -> None:
        """Delete one ticket."""
        with http_errors():
            self._state.delete(ticket_id)

    def delete_tickets(self) -> None:
        """Delete all tickets; clients, faults and the log stay."""
        self._state.delete()

    def list_requests(self, page: PageNumber = 1) -> dict[str, Any]:
        """List the requests to the methods of Usedesk, refused ones included, without the token."""
        found = page_of(newest_first(self._state.log.requests()), page)
        return {"requests": [request_json(one) for one in found.rows], **_numbers(found)}

    def list_webhooks(self, page: PageNumber = 1) -> dict[str, Any]:
        """List the webhooks that were sent, with their bodies and responses."""
        found = page_of(newest_first(self._state.webhooks_sent()), page)
        return {"webhooks": [webhook_json(one) for one in found.rows], **_numbers(found)}

    def list_faults(self) -> list[dict[str, Any]]:
        """List the faults that are still to happen."""
        return self._state.faults.as_json()

    def add_fault(self, order: JsonBody) -> list[dict[str, Any]]:
        """Add a fault: fault, times, method, and the parameters of the fault, such as when or status."""
        with http_errors():
            order_fault(self._state, order)
        return self._state.faults.as_json()

    def clear_faults(self) -> None:
        """Clear all faults."""
        self._state.faults.clear()

    def reset(self) -> None:
        """Delete everything: tickets, clients, faults, the log, webhooks and counts."""
        self._state.reset()

    def _ticket(self, ticket_id: int) -> Ticket:
        with http_errors():
            return self._state.ticket(ticket_id)

    def _first(self, search: TicketSearch, after: int) -> Ticket | None:
        company, now = self._state.company(), self._state.now()
        later = [one for one in company.tickets.values() if one.ticket_id > after]
        return next(iter(search.find(company, later, now)), None)

    def _json(self, ticket: Ticket) -> dict[str, Any]:
        return ticket_json(self._state.company(), ticket, self._state.now())


def _numbers(page: Page[Any]) -> dict[str, int]:
    return {"page": page.number, "pages": page.count, "total": page.total}


def _operations(openapi: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what the page shows of each operation."""
    for path, verbs in openapi["paths"].items():
        for verb, operation in verbs.items():
            yield {
                "verb": verb.upper(),
                "path": path,
                "text": operation["description"],
                "parameters": [
                    {
                        "name": one["name"],
                        "type": one["schema"].get("type", ""),
                        "text": one.get("description", ""),
                    }
                    for one in operation.get("parameters", ())
                ],
            }

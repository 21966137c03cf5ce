"""The pages of the inbox."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from fastapi import HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from airflow_provider_usedesk.sandbox.company import Client, Company
from airflow_provider_usedesk.sandbox.control_json import without_secret
from airflow_provider_usedesk.sandbox.fault_orders import FAULTS
from airflow_provider_usedesk.sandbox.message_delivery import OUTCOMES, delivery_of, reports_of
from airflow_provider_usedesk.sandbox.methods import METHODS
from airflow_provider_usedesk.sandbox.page import HEADERS, rendered_page
from airflow_provider_usedesk.sandbox.request_log import LoggedRequest
from airflow_provider_usedesk.sandbox.state import State
from airflow_provider_usedesk.sandbox.task_name import task_name
from airflow_provider_usedesk.sandbox.ticket_search import TicketSearch, page_of
from airflow_provider_usedesk.sandbox.webhooks import redacted_redirect_url

Row = TypeVar("Row")


class Pages:
    """
    The pages of the inbox.

    :param state: the sandbox
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def tickets(
        self, text: str = "", channel: str = "", tag: str = "", delivery: str = "", page: str = "1"
    ) -> HTMLResponse:
        company, now = self._state.company(), self._state.now()
        search = TicketSearch(text, channel, tag, delivery)
        found = page_of(search.find(company, newest_first(company.tickets.values()), now), _number(page))
        return rendered_page(
            "tickets.html",
            here="tickets",
            company=company,
            search=search,
            page=found,
            total=len(company.tickets),
            deliveries={one.ticket_id: delivery_of(company, one, now) for one in found.rows},
            outcomes=OUTCOMES,
            tags=sorted({tag for one in company.tickets.values() for tag in one.tags}),
        )

    def new_ticket(self) -> HTMLResponse:
        company = self._state.company()
        return rendered_page("new.html", here="tickets", company=company, clients=company.clients.values())

    def ticket(self, ticket_id: int, request: Request) -> HTMLResponse:
        company, now = self._state.company(), self._state.now()
        ticket = company.tickets.get(ticket_id)
        if ticket is None:
            raise HTTPException(404, "There is no such ticket.")
        requests = [one for one in self._state.log.requests() if one.ticket_id == ticket_id]
        created = next((one for one in requests if one.method == "create/ticket"), None)
        task = task_name(ticket.additional_id)
        airflow_url = self._state.options.airflow_url
        return rendered_page(
            "ticket.html",
            here="tickets",
            company=company,
            ticket=ticket,
            client=company.clients[ticket.client_id],
            delivery=delivery_of(company, ticket, now),
            reports={one.id: reports_of(company, one, now) for one in ticket.comments},
            requests=newest_first(requests),
            created=created,
            curl=created.raw.as_curl(_origin(request)) if created else None,
            task=task,
            dag_url=task.url(airflow_url) if task and airflow_url else None,
        )

    def requests(self, show: str = "", page: str = "1") -> HTMLResponse:
        everything = self._state.log.requests()
        wanted = [one for one in everything if show != "failed" or not one.is_ok]
        if show == "changes":
            wanted = [one for one in everything if not one.only_reads]
        return rendered_page(
            "requests.html",
            here="requests",
            show=show,
            page=page_of(newest_first(wanted), _number(page)),
            total=len(everything),
        )

    def request(self, number: int, request: Request) -> HTMLResponse:
        found = next((one for one in self._state.log.requests() if one.number == number), None)
        if found is None:
            raise HTTPException(404, "This request is not in the log, which keeps the last ones.")
        return rendered_page(
            "request.html",
            here="requests",
            request=found,
            curl=found.raw.as_curl(_origin(request)),
            response=_response_text(found),
        )

    def webhooks(self, page: str = "1") -> HTMLResponse:
        url = self._state.redirect_url
        return rendered_page(
            "webhooks.html",
            here="webhooks",
            url=redacted_redirect_url(url) if url else None,
            settings=self._state.webhooks,
            page=page_of(newest_first(self._state.webhooks_sent()), _number(page)),
        )

    def webhook(self, number: int) -> HTMLResponse:
        found = next((one for one in self._state.webhooks_sent() if one.number == number), None)
        if found is None:
            raise HTTPException(404, "There is no such webhook.")
        return rendered_page(
            "webhook.html",
            here="webhooks",
            webhook=found,
            body=_json_text(without_secret(found.body)),
            can_resend=self._state.redirect_url is not None,
        )

    def faults(self) -> HTMLResponse:
        return rendered_page(
            "faults.html", here="faults", faults=self._state.faults.as_json(), kinds=FAULTS, methods=METHODS
        )

    def clients(self, page: str = "1") -> HTMLResponse:
        company = self._state.company()
        return rendered_page(
            "clients.html",
            here="clients",
            page=page_of(list(company.clients.values()), _number(page)),
            addresses=_addresses,
            counts=_ticket_counts(company),
        )

    def channels(self) -> HTMLResponse:
        return rendered_page("channels.html", here="channels", company=self._state.company())

    def file(self, file_id: int) -> Response:
        found = self._state.company().files.get(file_id)
        if found is None:
            raise HTTPException(404, "There is no such file.")
        name = f"attachment; filename*=UTF-8''{quote(found.name, safe='')}"
        headers = {**HEADERS, "Content-Disposition": name, "Content-Security-Policy": "sandbox"}
        return Response(found.content, media_type="application/octet-stream", headers=headers)


def newest_first(rows: Iterable[Row]) -> list[Row]:
    return list(rows)[::-1]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 1


def _origin(request: Request) -> str:
    return f"http://{request.headers.get('host', '')}"


def _response_text(request: LoggedRequest) -> str:
    return "" if request.response is None else _json_text(request.response)


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _addresses(client: Client) -> tuple[str, ...]:
    return client.phones + client.emails + client.usernames


def _ticket_counts(company: Company) -> Mapping[int, int]:
    counts = dict.fromkeys(company.clients, 0)
    for ticket in company.tickets.values():
        counts[ticket.client_id] = counts.get(ticket.client_id, 0) + 1
    return counts

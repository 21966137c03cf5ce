"""The forms of the inbox."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Form, HTTPException
from fastapi.responses import RedirectResponse, Response

from airflow_provider_usedesk.sandbox.client_message import client_message
from airflow_provider_usedesk.sandbox.fault_orders import form_order, order_fault
from airflow_provider_usedesk.sandbox.http_errors import http_errors
from airflow_provider_usedesk.sandbox.page import HEADERS, STATUSES_BY_HAND
from airflow_provider_usedesk.sandbox.state import State
from airflow_provider_usedesk.sandbox.webhooks import Encoding, ping

MAX_STATUS = 64

Text = Annotated[str, Form()]


class Forms:
    """
    The forms of the inbox.

    :param state: the sandbox
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def new_ticket(
        self,
        message: Text = "",
        subject: Text = "",
        channel_id: Text = "",
        tag: Text = "",
        client_id: Text = "",
        client_name: Text = "",
        client_phone: Text = "",
        client_email: Text = "",
    ) -> Response:
        given = {
            "subject": subject,
            "channel_id": channel_id,
            "tag": tag,
            "client_id": client_id,
            "client_name": client_name,
            "client_phone": client_phone,
            "client_email": client_email,
        }
        with http_errors():
            ticket = client_message(self._state, message, None, {k: v for k, v in given.items() if v.strip()})
        return _see_other(f"/tickets/{ticket.ticket_id}")

    def reply(self, ticket_id: int, message: Text = "") -> Response:
        with http_errors():
            client_message(self._state, message, ticket_id, {})
        return _see_other(f"/tickets/{ticket_id}")

    def delete(self, ticket_id: int) -> Response:
        with http_errors():
            self._state.delete(ticket_id)
        return _see_other("/")

    def delete_all(self) -> Response:
        self._state.delete()
        return _see_other("/")

    def set_status(self, ticket_id: int, status: Text = "") -> Response:
        if status not in map(str, STATUSES_BY_HAND):
            raise HTTPException(400, "An agent cannot set this status.")
        with http_errors():
            self._state.update(ticket_id, {"status": int(status)})
        return _see_other(f"/tickets/{ticket_id}")

    def send_report(self, ticket_id: int, status: Text = "") -> Response:
        if not status.strip() or len(status) > MAX_STATUS:
            raise HTTPException(400, f"A report needs a status of at most {MAX_STATUS} characters.")
        with http_errors():
            self._state.send_report(ticket_id, status.strip())
        return _see_other(f"/tickets/{ticket_id}")

    def set_redirect_url(self, url: Text = "") -> Response:
        with http_errors():
            self._state.redirect_url = url
        return _see_other("/webhooks")

    def set_webhooks(
        self,
        delay: Annotated[float, Form()],
        encoding: Annotated[Encoding, Form()],
        repeats: Annotated[int, Form()],
        tries: Annotated[int, Form()],
        delivery_status: Annotated[str, Form(max_length=MAX_STATUS)] = "",
    ) -> Response:
        with http_errors():
            self._state.webhooks = replace(
                self._state.webhooks,
                delivery_status=delivery_status.strip() or None,
                delay=delay,
                encoding=encoding,
                repeats=repeats,
                tries=tries,
            )
        return _see_other("/webhooks")

    def send_ping(self) -> Response:
        self._state.send(ping())
        return _see_other("/webhooks")

    def resend(self, number: int) -> Response:
        if self._state.redirect_url is None:
            raise HTTPException(400, "No Redirect URL is set.")
        with http_errors():
            self._state.resend(number)
        return _see_other("/webhooks")

    def add_fault(
        self,
        fault: Text,
        when: Text = "",
        method: Text = "",
        times: Text = "",
        seconds: Text = "",
        status: Text = "",
        body: Text = "",
        retry_after: Text = "",
    ) -> Response:
        values = {
            "when": when,
            "seconds": seconds,
            "status": status,
            "body": body,
            "retry_after": retry_after,
        }
        with http_errors():
            order_fault(self._state, form_order(fault, values, times=times, method=method))
        return _see_other("/faults")

    def clear_faults(self) -> Response:
        self._state.faults.clear()
        return _see_other("/faults")


def _see_other(path: str) -> RedirectResponse:
    return RedirectResponse(path, 303, headers=HEADERS)

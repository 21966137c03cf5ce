"""The sandbox as a Python object: starts and stops the server, and shows what it received."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.sandbox.address import allowed_names, checked_http_url, open_port, public_name
from airflow_provider_usedesk.sandbox.client_message import client_message
from airflow_provider_usedesk.sandbox.connection_forms import as_uri
from airflow_provider_usedesk.sandbox.faults import Fault
from airflow_provider_usedesk.sandbox.methods import BASE_PATH

if TYPE_CHECKING:
    import uvicorn

    from airflow_provider_usedesk.sandbox.company import Ticket
    from airflow_provider_usedesk.sandbox.request_log import LoggedRequest
    from airflow_provider_usedesk.sandbox.webhook_sender import SentWebhook
    from airflow_provider_usedesk.sandbox.webhooks import Webhooks

# A client that pauses for some seconds finds its connection open; many servers keep one as long.
KEEP_ALIVE_SECONDS = 75
INSTALL = "The sandbox needs the extra: pip install 'airflow-provider-usedesk[sandbox]'"


class Sandbox:
    """
    A local Usedesk in a thread.

    :param port: port to listen on; 0 (default) for a free one
    :param host: address to listen on, by default 127.0.0.1. At another one, such as ``0.0.0.0`` in a
        container, everybody who reaches the port can read and change everything
    :param allowed_hosts: names by which the server can be addressed; default: ``127.0.0.1`` and
        ``localhost``, or any name if ``host`` is another address
    :param airflow_url: URL of Airflow, for links from a ticket to its Dag; None (default) for no links
    :param token: the valid API token
    :param listing_lag: seconds for which ``tickets`` does not list a new ticket
    :param offset_is: unit of ``offset``, ``page`` or ``row``
    :param filters_fields: whether ``tickets`` filters by custom fields; false: it ignores ``fields``
    :param additional_id: returns what ``ticket`` shows of an ``additional_id``, such as ``str.lower`` or
        ``lambda text: text[:40]``
    :param shapes: form of responses and webhooks: ``pages`` (default), as the method pages show them, or
        ``clients``, as public clients read them
    :param lenient: accept what public clients send although the pages do not allow it; by default such
        requests are refused
    :param redirect_url: URL to which webhooks are sent; None (default) for no webhooks
    :param webhooks: how webhooks are sent
    :param state: file that keeps tickets, clients and files; None (default) for memory only
    :param clock: returns the time in seconds since 1970
    :raises ValueError: if the Redirect URL or ``airflow_url`` is not an http or https URL, if ``shapes`` is
        another word, or if the state file cannot be used
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        allowed_hosts: Sequence[str] = (),
        airflow_url: str | None = None,
        token: str = "sandbox-token",  # noqa: S107 (not a secret: only valid here)
        listing_lag: float = 2.0,
        offset_is: str = "page",
        filters_fields: bool = True,
        additional_id: Callable[[str], Any] = str,
        shapes: str = "pages",
        lenient: bool = False,
        redirect_url: str | None = None,
        webhooks: Webhooks | None = None,
        state: str | os.PathLike[str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        from airflow_provider_usedesk.sandbox.state import Options, State
        from airflow_provider_usedesk.sandbox.state_file import StateFile

        self._port = port
        self._host = host
        self._names = tuple(allowed_hosts)
        options = Options(
            token,
            listing_lag,
            offset_is,
            filters_fields,
            additional_id,
            shapes,
            lenient,
            hosts=allowed_names(host, self._names),
            airflow_url=checked_http_url("airflow_url", airflow_url),
        )
        self._state = State(options, clock, StateFile(state) if state is not None else None)
        if webhooks is not None:
            self._state.webhooks = webhooks
        self._state.redirect_url = redirect_url
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """
        Start the server; return when it responds.

        :raises RuntimeError: if the extra ``sandbox`` is not installed
        :raises PortUnavailable: if the port cannot be opened, such as because it is in use
        """
        server = self._uvicorn_server()
        listener = open_port(self._host, self._port)
        self._port = listener.getsockname()[1]
        self._server = server
        self._state.start()
        self._thread = threading.Thread(
            target=server.run, args=([listener],), name="usedesk-sandbox", daemon=True
        )
        self._thread.start()
        while not server.started and self._thread.is_alive():
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop the server; return when the socket is closed."""
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join()
            self._server = self._thread = None
        self._state.stop()

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"{self._origin}{BASE_PATH}"

    @property
    def inbox_url(self) -> str:
        """URL of the inbox."""
        return f"{self._origin}/"

    @property
    def _origin(self) -> str:
        return f"http://{public_name(self._host, self._names)}:{self._port}"

    @property
    def token(self) -> str:
        return self._state.options.token

    @property
    def connection(self) -> dict[str, Any]:
        """The fields of an Airflow Connection to this sandbox."""
        # The sandbox has carried out a request when it lists it, two seconds later by default.
        extra = {"web_url": self.inbox_url.rstrip("/"), "consistency_delay": 5}
        return {"conn_type": "usedesk", "host": self.url, "password": self.token, "extra": extra}

    @property
    def connection_json(self) -> str:
        """The Airflow Connection as JSON, for ``AIRFLOW_CONN_USEDESK_DEFAULT``."""
        return json.dumps(self.connection)

    @property
    def connection_uri(self) -> str:
        """The Airflow Connection as a URI, which ``AIRFLOW_CONN_USEDESK_DEFAULT`` can also contain."""
        return as_uri(self.connection)

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        """All tickets, oldest first."""
        return self._state.tickets()

    def ticket(self, ticket_id: int) -> Ticket:
        """
        Return one ticket in its present state.

        :raises KeyError: if there is no such ticket
        """
        return self._state.ticket(ticket_id)

    def update(self, ticket_id: int, **changes: Any) -> Ticket:
        """
        Change a ticket as an agent does in Usedesk; a New one becomes Open unless a status is given.

        :param ticket_id: the ticket
        :param changes: ``status``, ``type``, ``priority``, ``subject``, ``client_id``, ``assignee_id`` and
            ``group_id`` (None clears), ``tags`` (replace the present ones), ``custom_fields`` (by field id;
            other fields stay unchanged)
        :return: the changed ticket
        :raises KeyError: if there is no such ticket
        :raises TypeError: if there are no changes, or for an unknown field or a value of a wrong type
        :raises ValueError: if the company does not have such a value, such as the status 77
        """
        return self._state.update(ticket_id, changes)

    def write_as_client(self, message: str, ticket_id: int | None = None, **params: Any) -> Ticket:
        """
        Write as a client does, such as to start a Dag that waits for tickets or replies.

        :param message: the text
        :param ticket_id: the ticket on which the client replies; None (default) for a new one
        :param params: parameters of ``create/ticket`` for a new ticket, such as ``subject`` (default: "New
            message"), ``tag``, ``channel_id``, ``client_id`` and ``client_phone``; ``files`` are not possible
        :return: the ticket
        :raises KeyError: if there is no such ticket
        :raises ValueError: for a value that the API would refuse
        """
        return client_message(self._state, message, ticket_id, params)

    def delete(self, ticket_id: int) -> None:
        """
        Delete a ticket.

        :raises KeyError: if there is no such ticket
        """
        self._state.delete(ticket_id)

    def requests(self, method: str | None = None) -> int:
        """Return the number of requests to one method, or to all; requests with a fault count too."""
        return self._state.requests(method)

    @property
    def requests_received(self) -> tuple[LoggedRequest, ...]:
        """The last 1000 requests that changed something or failed, and the last 1000 others."""
        return self._state.log.requests()

    def fail(self, fault: Fault, times: int = 1, method: str | None = None) -> None:
        """
        Inject a fault into the next requests.

        :param fault: the fault
        :param times: number of requests, at least 1
        :param method: only requests to this method, such as ``create/ticket``; None (default) for all
        :raises ValueError: if there is no such method, or ``times`` is less than 1
        """
        self._state.fail(fault, times, method)

    @property
    def redirect_url(self) -> str | None:
        """The URL to which webhooks are sent; a new value causes a ping, as in Usedesk."""
        return self._state.redirect_url

    @redirect_url.setter
    def redirect_url(self, url: str | None) -> None:
        self._state.redirect_url = url

    @property
    def webhooks(self) -> Webhooks:
        """How webhooks are sent; a change applies to later webhooks."""
        return self._state.webhooks

    @webhooks.setter
    def webhooks(self, webhooks: Webhooks) -> None:
        self._state.webhooks = webhooks

    @property
    def webhooks_sent(self) -> tuple[SentWebhook, ...]:
        """The last 1000 webhooks with their results."""
        return self._state.webhooks_sent()

    def wait_for_webhooks(self, timeout: float = 60) -> None:
        """
        Wait until all webhooks are sent and none is to be repeated.

        :param timeout: seconds; default: 60
        :raises TimeoutError: if it takes longer
        """
        self._state.wait_for_webhooks(timeout)

    def send_report(self, ticket_id: int, status: str = "DELIVERED", comment_id: int | None = None) -> None:
        """
        Send a delivery report.

        :param ticket_id: the ticket
        :param status: the delivery status
        :param comment_id: the message; None (default) for the last one of the ticket
        :raises KeyError: if there is no such ticket
        """
        self._state.send_report(ticket_id, status, comment_id)

    def send_webhook(self, body: dict[str, Any]) -> None:
        """Send a webhook with any content, such as a rating."""
        self._state.send_body(body)

    def reset(self) -> None:
        """Delete all tickets, clients, faults, counts and webhooks."""
        self._state.reset()

    def _uvicorn_server(self) -> uvicorn.Server:
        try:
            import uvicorn

            from airflow_provider_usedesk.sandbox.app import build_app
        except ImportError as error:
            raise RuntimeError(INSTALL) from error
        config = uvicorn.Config(
            build_app(self._state),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,  # the query of a request can contain the token
            timeout_graceful_shutdown=1,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        return uvicorn.Server(config)

"""The sandbox as something to start and stop, with what it received at hand."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.sandbox.faults import Fault

if TYPE_CHECKING:
    import uvicorn

    from airflow_provider_usedesk.sandbox.webhook_sender import SentWebhook
    from airflow_provider_usedesk.sandbox.webhooks import Webhooks
    from airflow_provider_usedesk.sandbox.world import Ticket

INSTALL = "The sandbox needs its extra: pip install 'airflow-provider-usedesk[sandbox]'"


class Sandbox:
    """
    Run a local Usedesk on 127.0.0.1, in a thread.

    :param port: port to listen on; 0 takes a free one
    :param base_path: path of the API; empty for none
    :param token: the API token that is known
    :param errors_status: HTTP status of refusals
    :param listing_lag: seconds until a new ticket appears in ``tickets``
    :param offset_is: whether ``offset`` counts ``page`` or ``row``, wherever there is one
    :param redirect_url: where webhooks are sent; None for nowhere
    :param webhooks: how they are sent
    :param clock: tells the time in seconds since 1970
    :raises ValueError: when the Redirect URL is none
    """

    def __init__(
        self,
        port: int = 0,
        *,
        base_path: str = "/uapi",
        token: str = "sandbox-token",  # noqa: S107 (known to everyone, and only here)
        errors_status: int = 200,
        listing_lag: float = 2.0,
        offset_is: str = "page",
        redirect_url: str | None = None,
        webhooks: Webhooks | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        from airflow_provider_usedesk.sandbox.state import Options, State

        path = f"/{base_path.strip('/')}" if base_path.strip("/") else ""
        options = Options(token, path, errors_status, listing_lag, offset_is)
        self._port = port
        self._state = State(options, clock)
        if webhooks is not None:
            self._state.webhooks = webhooks
        self._state.redirect_to(redirect_url)
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
        """Start serving; return when requests are answered."""
        try:
            import uvicorn

            from airflow_provider_usedesk.sandbox.app import build_app
        except ImportError as error:
            raise RuntimeError(INSTALL) from error
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            build_app(self._state),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,  # its lines would hold the token of requests that put it into the query
            timeout_graceful_shutdown=1,
        )
        self._server = server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=server.run, args=([listener],), name="usedesk-sandbox", daemon=True
        )
        self._thread.start()
        while not server.started and self._thread.is_alive():
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop serving; return when the socket is closed."""
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join()
            self._server = self._thread = None
        self._state.stop()

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"http://127.0.0.1:{self._port}{self._state.options.base_path}"

    @property
    def inbox_url(self) -> str:
        """Address of the inbox."""
        return f"http://127.0.0.1:{self._port}{self._state.options.inbox_path}/"

    @property
    def token(self) -> str:
        return self._state.options.token

    @property
    def connection(self) -> dict[str, Any]:
        """An Airflow Connection to this sandbox."""
        extra = {"web_url": self.inbox_url.rstrip("/")}
        return {"conn_type": "usedesk", "host": self.url, "password": self.token, "extra": extra}

    @property
    def connection_json(self) -> str:
        """The Airflow Connection as JSON, for ``AIRFLOW_CONN_USEDESK_DEFAULT``."""
        return json.dumps(self.connection)

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        """All tickets, oldest first."""
        return self._state.tickets()

    def ticket(self, ticket_id: int) -> Ticket:
        """
        Show one ticket as it is now.

        :raises KeyError: when there is no such ticket
        """
        return self._state.ticket(ticket_id)

    def update(self, ticket_id: int, **changes: Any) -> Ticket:
        """
        Change a ticket as an agent does in Usedesk; a New one becomes Open unless a status is given.

        :param ticket_id: the ticket
        :param changes: ``status``, ``type``, ``priority``, ``subject``, ``client_id``, ``assignee_id`` and
            ``group_id`` (None clears), ``tags`` (all that it has from now on), ``custom_fields`` (by the
            number of the field; the others stay)
        :return: the ticket as it is now
        :raises KeyError: when there is no such ticket
        :raises TypeError: for nothing to change, another name, or a value of a wrong type
        :raises ValueError: for a value that this company does not know, such as the status 77
        """
        return self._state.update(ticket_id, changes)

    def requests(self, method: str | None = None) -> int:
        """Count the requests received for one method, or for all; those met by a fault count too."""
        return self._state.requests(method)

    def fail(self, fault: Fault, times: int = 1, method: str | None = None) -> None:
        """
        Let a fault happen to the next requests.

        :param fault: what goes wrong
        :param times: for how many requests
        :param method: for one method only, such as ``create/ticket``
        :raises ValueError: when there is no such method, or ``times`` is not at least 1
        """
        self._state.fail(fault, times, method)

    @property
    def redirect_url(self) -> str | None:
        """Where webhooks are sent; a ping goes there when it is set, as when Usedesk saves a channel."""
        return self._state.redirect_url

    @redirect_url.setter
    def redirect_url(self, url: str | None) -> None:
        self._state.redirect_to(url)

    @property
    def webhooks(self) -> Webhooks:
        """How webhooks are sent from now on."""
        return self._state.webhooks

    @webhooks.setter
    def webhooks(self, webhooks: Webhooks) -> None:
        self._state.webhooks = webhooks

    @property
    def webhooks_sent(self) -> tuple[SentWebhook, ...]:
        """The last thousand webhooks that were sent, and what was answered."""
        return self._state.sent_webhooks()

    def wait_for_webhooks(self, timeout: float = 10) -> None:
        """
        Wait until no webhook waits to be sent, or to be sent again.

        :raises TimeoutError: when that takes longer
        """
        self._state.wait_for_webhooks(timeout)

    def send_report(self, ticket_id: int, status: str = "DELIVERED", comment_id: int | None = None) -> None:
        """
        Send a delivery report.

        :param status: what it says
        :param comment_id: the message; the last one of the ticket when it is left out
        :raises KeyError: when there is no such ticket
        """
        self._state.report(ticket_id, status, comment_id)

    def send_webhook(self, body: dict[str, Any]) -> None:
        """Send anything, such as a rating."""
        self._state.send_by_hand(body)

    def reset(self) -> None:
        """Forget all tickets, clients, faults, counts and webhooks."""
        self._state.reset()

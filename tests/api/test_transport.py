"""The transport over real sockets: environment settings, and the state kept between requests."""

from __future__ import annotations

import io
import json
import socket
import ssl
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import requests
import requests_mock as mocked

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.transport import CONNECTIONS

TOKEN = "feedfacecafebeefedc-token"
TICKET = {"subject": "s", "message": "m"}
REMOTE_URL = "http://help.example/uapi"
CLOSED_PORT = "http://127.0.0.1:9"
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class Server(ThreadingHTTPServer):
    # Many clients connect at once, and none may be refused.
    request_queue_size = 2 * CONNECTIONS


class Service:
    """
    A Usedesk on its own socket, which can also act as a proxy.

    :param status: HTTP status of its responses
    :param headers: additional headers of its responses
    :param body: body of its responses; default: a created ticket
    :param meet: number of concurrent requests to wait for before any gets its response
    """

    def __init__(self, status=200, headers=(), meet=1, body=None):
        self.status = status
        self.body = body
        self.headers = headers
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.clients = []
        self.barrier = threading.Barrier(meet)
        self.server = Server(("127.0.0.1", 0), self._handler())
        self.scheme = "http"

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.server.server_port}"

    def _handler(service):  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                service.clients.append(self.client_address)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.requests.append((self.path, dict(self.headers), body))
                service.barrier.wait(30)
                is_json = self.headers["Content-Type"] == "application/json"
                number = json.loads(body).get("additional_id", 1) if is_json else 1
                created = json.dumps({"status": "success", "ticket_id": number}).encode()
                response = created if service.body is None else service.body
                self.send_response(service.status)
                for name, value in (*service.headers, ("Content-Length", str(len(response)))):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(response)

            def log_message(self, format, *args):
                pass

        return Handler


@contextmanager
def serving(**options):
    service = Service(**options)
    with service.server:
        # Handlers wait for further requests on open connections; they end with the process.
        service.server.daemon_threads = True
        service.server.block_on_close = False
        threading.Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield service
        finally:
            service.server.shutdown()


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def connect(url, **options):
    return UsedeskClient.connect(TOKEN, url, **{"max_wait": 0, **options})


class TestProxies:
    def test_environment_proxy_is_used(self, environment):
        with serving() as proxy:
            environment.setenv("HTTP_PROXY", proxy.url)
            with connect(REMOTE_URL) as client:
                client.create_ticket(**TICKET)
                client.create_ticket(**TICKET)
        assert [path for path, _, _ in proxy.requests] == [f"{REMOTE_URL}/create/ticket"] * 2

    @pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
    def test_no_proxy_variable_is_respected(self, environment, variable):
        with serving() as service:
            environment.setenv("HTTP_PROXY", CLOSED_PORT)
            environment.setenv(variable, "localhost,127.0.0.1")
            with connect(service.url) as client:
                client.create_ticket(**TICKET)
        assert len(service.requests) == 1

    def test_connection_proxy_overrides_environment(self, environment):
        with serving() as proxy:
            environment.setenv("HTTP_PROXY", CLOSED_PORT)
            with connect(REMOTE_URL, proxy=proxy.url) as client:
                client.create_ticket(**TICKET)
        assert len(proxy.requests) == 1

    def test_environment_is_read_at_creation(self, environment):
        with serving() as service, connect(service.url) as client:
            environment.setenv("HTTP_PROXY", CLOSED_PORT)
            client.create_ticket(**TICKET)
        assert len(service.requests) == 1

    def test_https_proxy_applies_to_https(self, environment):
        environment.setenv("HTTP_PROXY", "http://one.example:1")
        environment.setenv("HTTPS_PROXY", "http://two.example:2")
        with mocked.Mocker() as usedesk:
            usedesk.post(mocked.ANY, json={"status": "success", "ticket_id": 1})
            connect("https://help.example").create_ticket(**TICKET)
        assert usedesk.last_request.proxies["https"] == "http://two.example:2"


@pytest.fixture
def secure(certificate):
    with serving() as service:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        service.server.socket = context.wrap_socket(service.server.socket, server_side=True)
        service.scheme = "https"
        yield service


class TestTls:
    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_environment_ca_file_is_used(self, secure, environment, certificate, variable):
        environment.setenv(variable, certificate)
        with connect(secure.url) as client:
            client.create_ticket(**TICKET)
            client.create_ticket(**TICKET)
        assert len(secure.requests) == 2

    def test_connection_ca_file_is_used(self, secure, certificate):
        with connect(secure.url, verify=certificate) as client:
            client.create_ticket(**TICKET)
        assert len(secure.requests) == 1

    def test_unknown_certificate_is_rejected_each_time(self, secure):
        with connect(secure.url) as client:
            for _ in range(2):
                with pytest.raises(errors.UsedeskBadConnection, match="(?i)nothing was sent"):
                    client.create_ticket(**TICKET)
                client.close()
        assert secure.requests == []

    def test_verify_false_accepts_any_certificate(self, secure, environment):
        environment.setenv("REQUESTS_CA_BUNDLE", "/no/such/file")
        with warnings.catch_warnings(), connect(secure.url, verify=False) as client:
            warnings.simplefilter("ignore")
            client.create_ticket(**TICKET)
        assert len(secure.requests) == 1


class TestNoConnection:
    """The reason of a request without a connection, in plain words."""

    def failure(self, url, **options):
        with connect(url, **options) as client, pytest.raises(errors.UsedeskError) as raised:
            client.groups()
        assert "nothing was sent" in str(raised.value).lower()
        return raised.value

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_closed_port(self, scheme):
        error = self.failure(f"{scheme}://127.0.0.1:9/uapi")
        assert isinstance(error, errors.UsedeskUnavailable)
        assert "No connection to 127.0.0.1:9: connection refused." in str(error)

    @pytest.mark.parametrize(
        ("number", "reason"),
        [
            (socket.EAI_NONAME, "host name not found"),
            (socket.EAI_AGAIN, "the name server does not respond"),
        ],
    )
    def test_unknown_host(self, monkeypatch, number, reason):
        def fail(*args, **kwargs):
            raise socket.gaierror(number, "resolver text")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        assert f"No connection to help.example: {reason}." in str(self.failure("https://help.example/uapi"))

    def test_closed_port_of_a_proxy(self):
        error = self.failure("https://help.example", proxy="http://me:pa55@127.0.0.1:9")
        assert "No connection to the proxy 127.0.0.1:9: connection refused." in str(error)

    def test_server_without_tls(self):
        with serving() as service:
            error = self.failure(service.url.removeprefix("http://"))
        assert isinstance(error, errors.UsedeskBadConnection)
        assert "does not respond with TLS" in str(error)
        assert "write http:// in the API base URL" in str(error)

    def test_server_that_closes_during_the_handshake(self):
        with socket.create_server(("127.0.0.1", 0)) as server:

            def close():
                client, _ = server.accept()
                client.recv(100)
                client.close()

            thread = threading.Thread(target=close)
            thread.start()
            error = self.failure(f"127.0.0.1:{server.getsockname()[1]}")
            thread.join()
        assert "the other side closed the connection" in str(error)
        assert "write http:// in the API base URL" in str(error)


def test_netrc_is_ignored(environment, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password pa55\n")
    environment.setenv("NETRC", str(netrc))
    with serving() as service, connect(service.url) as client:
        client.create_ticket(**TICKET)
    [(_, headers, _)] = service.requests
    assert "Authorization" not in headers


class FailingFile:
    """A file on object storage that fails after it was measured, with an error that names it."""

    name = "anna.pdf"
    opened = 0

    def is_file(self):
        return True

    def stat(self):
        return SimpleNamespace(st_size=100_000)

    def open(self, mode):
        self.opened += 1
        if self.opened > 1:
            raise PermissionError(13, "denied", "s3://bucket/anna.pdf")
        return io.BytesIO(b"a")


def test_unreadable_file_is_not_blamed_on_usedesk():
    """The beginning of the request was written, so its outcome is unknown."""
    with (
        serving() as service,
        connect(service.url) as client,
        pytest.raises(errors.UsedeskOutcomeUnknown) as caught,
    ):
        client.create_ticket(**TICKET, files=[FailingFile()])
    assert str(caught.value).startswith(
        "The upload to Usedesk broke off: a file could not be read (PermissionError)."
    )
    assert "anna" not in str(caught.value)


REDIRECTS = [
    *((status, errors.UsedeskBadConnection, "is redirected") for status in (301, 307, 308)),
    # A web framework may respond so to a POST that it carried out.
    (
        302,
        errors.UsedeskOutcomeUnknown,
        "set the final URL as the API base URL. The request may have been carried out",
    ),
    (303, errors.UsedeskOutcomeUnknown, "may have been carried out"),
]


@pytest.mark.parametrize(("status", "error_class", "text"), REDIRECTS)
def test_redirects_are_not_followed(status, error_class, text):
    with (
        serving() as target,
        serving(status=status, headers=[("Location", target.url)], body=b"") as service,
    ):
        with connect(service.url) as client, pytest.raises(error_class, match=text):
            client.create_ticket(**TICKET)
        assert (len(service.requests), target.requests) == (1, [])


def test_service_cookies_are_sent_back():
    with serving(headers=[("Set-Cookie", "node=7; Path=/")]) as service, connect(service.url) as client:
        for _ in range(3):
            client.create_ticket(**TICKET)
        connect(service.url).create_ticket(**TICKET)
    assert [headers.get("Cookie") for _, headers, _ in service.requests] == [None, "node=7", "node=7", None]


def test_foreign_cookies_are_ignored():
    cookie = ("Set-Cookie", "node=7; Domain=elsewhere.example")
    with serving(headers=[cookie]) as service, connect(service.url) as client:
        for _ in range(2):
            client.create_ticket(**TICKET)
    assert [headers.get("Cookie") for _, headers, _ in service.requests] == [None, None]


def test_connection_is_reused_until_close():
    with serving() as service, connect(service.url) as client:
        client.create_ticket(**TICKET)
        client.create_ticket(**TICKET, files=[("a.txt", b"x")])
        client.create_ticket(**TICKET)
        assert len(service.clients) == 1
        client.close()
        client.create_ticket(**TICKET)
    assert len(service.clients) == 2


def test_requests_have_content_headers():
    with serving() as service, connect(service.url) as client:
        client.create_ticket(**TICKET, files=[("a.txt", b"x")])
        client.create_ticket(**TICKET)
    kinds = [headers["Content-Type"].partition(";")[0] for _, headers, _ in service.requests]
    assert kinds == ["multipart/form-data", "application/json"]
    for _, headers, body in service.requests:
        assert headers["Content-Length"] == str(len(body))
        assert "Transfer-Encoding" not in headers
        assert headers["Accept"] == "application/json"
        assert headers["User-Agent"].startswith("airflow-provider-usedesk/")


def test_threads_share_client_and_reuse_connections(caplog):
    """Each of the maximum number of threads gets its own response twice, and no connection is discarded."""

    def send(number):
        response = client.create_ticket(**TICKET, additional_id=str(number), tag=["a", "b"])
        return response.ticket_id == number

    cookie = ("Set-Cookie", "node=7; Path=/")
    with serving(meet=CONNECTIONS, headers=[cookie]) as service, connect(service.url) as client:
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            assert all(pool.map(send, range(1, 2 * CONNECTIONS + 1)))
        assert len(service.clients) == CONNECTIONS
    numbers = {json.loads(body)["additional_id"] for _, _, body in service.requests}
    assert numbers == {str(number) for number in range(1, 2 * CONNECTIONS + 1)}
    assert "pool is full" not in caplog.text


def test_patched_requests_session_is_used(monkeypatch):
    sent = []
    send = requests.Session.send
    monkeypatch.setattr(
        requests.Session,
        "send",
        lambda session, request, **kw: sent.append(request) or send(session, request, **kw),
    )
    with serving() as service, connect(service.url) as client:
        client.create_ticket(**TICKET)
    assert [request.url for request in sent] == [f"{service.url}/create/ticket"]

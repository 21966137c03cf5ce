"""The way to Usedesk over real sockets: what of the environment counts, and what is kept between sends."""

from __future__ import annotations

import json
import ssl
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
import requests
import requests_mock as mocked
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.transport import CONNECTIONS

TOKEN = "feedfacecafebeefedc-token"
TICKET = {"subject": "s", "message": "m"}
ELSEWHERE = "http://help.example/uapi"
NOBODY = "http://127.0.0.1:9"
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class Server(ThreadingHTTPServer):
    # Of those who connect at once none is turned away.
    request_queue_size = 2 * CONNECTIONS


class Service:
    """
    A Usedesk on a socket of its own, which also can be a proxy.

    :param status: HTTP status of its answers
    :param headers: more headers of its answers
    :param meet: threads that have to be there at once before any gets its answer
    """

    def __init__(self, status=200, headers=(), meet=1):
        self.status = status
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
                answer = json.dumps({"status": "success", "ticket_id": number}).encode()
                self.send_response(service.status)
                for name, value in (*service.headers, ("Content-Length", str(len(answer)))):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format, *args):
                pass

        return Handler


@contextmanager
def serving(**options):
    service = Service(**options)
    with service.server:
        # Handlers wait for more on connections that are kept; they go with the process.
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
    def test_a_proxy_of_the_environment_is_used(self, environment):
        with serving() as proxy:
            environment.setenv("HTTP_PROXY", proxy.url)
            with connect(ELSEWHERE) as client:
                client.create_ticket(**TICKET)
                client.create_ticket(**TICKET)
        assert [path for path, _, _ in proxy.requests] == [f"{ELSEWHERE}/create/ticket"] * 2

    @pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
    def test_no_proxy(self, environment, variable):
        with serving() as service:
            environment.setenv("HTTP_PROXY", NOBODY)
            environment.setenv(variable, "localhost,127.0.0.1")
            with connect(service.url) as client:
                client.create_ticket(**TICKET)
        assert len(service.requests) == 1

    def test_a_proxy_of_the_connection_outranks_the_environment(self, environment):
        with serving() as proxy:
            environment.setenv("HTTP_PROXY", NOBODY)
            with connect(ELSEWHERE, proxy=proxy.url) as client:
                client.create_ticket(**TICKET)
        assert len(proxy.requests) == 1

    def test_the_environment_counts_as_it_was_when_the_client_was_made(self, environment):
        with serving() as service, connect(service.url) as client:
            environment.setenv("HTTP_PROXY", NOBODY)
            client.create_ticket(**TICKET)
        assert len(service.requests) == 1

    def test_for_https_the_proxy_for_https(self, environment):
        environment.setenv("HTTP_PROXY", "http://one.example:1")
        environment.setenv("HTTPS_PROXY", "http://two.example:2")
        with mocked.Mocker() as usedesk:
            usedesk.post(mocked.ANY, json={"status": "success", "ticket_id": 1})
            connect("https://help.example").create_ticket(**TICKET)
        assert usedesk.last_request.proxies["https"] == "http://two.example:2"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody else has signed, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(pem) + private)
    return str(path)


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
    def test_a_ca_file_of_the_environment_is_used(self, secure, environment, certificate, variable):
        environment.setenv(variable, certificate)
        with connect(secure.url) as client:
            client.create_ticket(**TICKET)
            client.create_ticket(**TICKET)
        assert len(secure.requests) == 2

    def test_a_ca_file_of_the_connection_is_used(self, secure, certificate):
        with connect(secure.url, verify=certificate) as client:
            client.create_ticket(**TICKET)
        assert len(secure.requests) == 1

    def test_a_certificate_that_is_not_known_is_refused_each_time(self, secure):
        with connect(secure.url) as client:
            for _ in range(2):
                with pytest.raises(errors.UsedeskBadConnection, match="(?i)nothing was sent"):
                    client.create_ticket(**TICKET)
                client.close()
        assert secure.requests == []

    def test_unless_nothing_is_to_be_checked(self, secure, environment):
        environment.setenv("REQUESTS_CA_BUNDLE", "/no/such/file")
        with warnings.catch_warnings(), connect(secure.url, verify=False) as client:
            warnings.simplefilter("ignore")
            client.create_ticket(**TICKET)
        assert len(secure.requests) == 1


def test_no_netrc(environment, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password pa55\n")
    environment.setenv("NETRC", str(netrc))
    with serving() as service, connect(service.url) as client:
        client.create_ticket(**TICKET)
    [(_, headers, _)] = service.requests
    assert "Authorization" not in headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status):
    with serving() as target, serving(status=status, headers=[("Location", target.url)]) as service:
        with connect(service.url) as client, pytest.raises(errors.UsedeskBadConnection, match="redirect"):
            client.create_ticket(**TICKET)
        assert (len(service.requests), target.requests) == (1, [])


def test_cookies_of_the_service_go_back_to_it():
    with serving(headers=[("Set-Cookie", "node=7; Path=/")]) as service, connect(service.url) as client:
        for _ in range(3):
            client.create_ticket(**TICKET)
        connect(service.url).create_ticket(**TICKET)
    assert [headers.get("Cookie") for _, headers, _ in service.requests] == [None, "node=7", "node=7", None]


def test_cookies_for_others_are_not_taken():
    cookie = ("Set-Cookie", "node=7; Domain=elsewhere.example")
    with serving(headers=[cookie]) as service, connect(service.url) as client:
        for _ in range(2):
            client.create_ticket(**TICKET)
    assert [headers.get("Cookie") for _, headers, _ in service.requests] == [None, None]


def test_one_connection_for_all_sends_and_a_new_one_after_closing():
    with serving() as service, connect(service.url) as client:
        client.create_ticket(**TICKET)
        client.create_ticket(**TICKET, files=[("a.txt", b"x")])
        client.create_ticket(**TICKET)
        assert len(service.clients) == 1
        client.close()
        client.create_ticket(**TICKET)
    assert len(service.clients) == 2


def test_every_request_says_what_it_holds():
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


def test_threads_share_a_client_and_keep_their_connections(caplog):
    """As many threads as there may be get their own answers, twice, and no connection is thrown away."""

    def send(number):
        answer = client.create_ticket(**TICKET, additional_id=str(number), tag=["a", "b"])
        return answer.ticket_id == number

    cookie = ("Set-Cookie", "node=7; Path=/")
    with serving(meet=CONNECTIONS, headers=[cookie]) as service, connect(service.url) as client:
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            assert all(pool.map(send, range(1, 2 * CONNECTIONS + 1)))
        assert len(service.clients) == CONNECTIONS
    numbers = {json.loads(body)["additional_id"] for _, _, body in service.requests}
    assert numbers == {str(number) for number in range(1, 2 * CONNECTIONS + 1)}
    assert "pool is full" not in caplog.text


def test_what_patches_the_sessions_of_requests_goes_on_working(monkeypatch):
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

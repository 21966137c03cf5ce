"""Connections over real sockets: slow and large responses, broken TLS, CA files and proxies."""

from __future__ import annotations

import gzip
import io
import re
import socket
import ssl
import threading
import time
import tracemalloc
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest

from airflow_provider_usedesk.api import connections, errors
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.transport import LONGEST_BODY

TOKEN = "feedfacecafebeefedc-token"
TICKET = {"subject": "s", "message": "m"}
SUCCESS = b'{"status": "success", "ticket_id": 7}'
TIMEOUT = 0.3
# Longer than any drip that the client should endure, shorter than a drip would last without an end.
LIMIT = 5.0


def response(body, *headers, status=b"200 OK"):
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Tls:
    """The server's side of TLS over a socket, with access to the encrypted bytes."""

    def __init__(self, sock, context):
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self._run(self.ssl.do_handshake)

    def recv(self, size):
        return self._run(self.ssl.read, size)

    def encrypted(self, data):
        self.ssl.write(data)
        return self.outgoing.read()

    def _run(self, act, *args):
        while True:
            try:
                return act(*args)
            except ssl.SSLWantReadError:
                pass
            finally:
                self.sock.sendall(self.outgoing.read())
            received = self.sock.recv(65536)
            if not received:
                raise ConnectionResetError
            self.incoming.write(received)


def read_request(connection):
    read = b""
    while b"\r\n\r\n" not in read:
        read += connection.recv(65536) or b"\r\n\r\n"
    head, body = read.split(b"\r\n\r\n", 1)
    length = re.search(rb"content-length: (\d+)", head.lower())
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    return head, body


@contextmanager
def serving(serve):
    """Serve each connection with a function; yield the port and the list of the connections."""
    accepted = []

    def one(connection):
        with connection, suppress(OSError):
            serve(connection)

    def accept():
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                accepted.append(connection)
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], accepted
        server.shutdown(socket.SHUT_RDWR)


def drip(connection, content):
    for position in range(len(content)):
        connection.sendall(content[position : position + 1])
        time.sleep(LIMIT / len(content))


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def context(certificate):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate)
    return made


def connect(port, scheme="http", **options):
    return UsedeskClient.connect(
        TOKEN, f"{scheme}://127.0.0.1:{port}", **{"max_wait": 0, "timeout": TIMEOUT, **options}
    )


def failed_send(client, **params):
    with client, pytest.raises(errors.UsedeskError) as raised:
        client.create_ticket(**TICKET, **params)
    return raised.value


def failed_read(client):
    with pytest.raises(errors.UsedeskError) as raised:
        client.groups()
    return raised.value


class SlowFile:
    """A file whose reading takes an hour of a clock."""

    name = "a.bin"

    def __init__(self):
        self.now = 0.0

    def is_file(self):
        return True

    def stat(self):
        return SimpleNamespace(st_size=1)

    def open(self, mode):
        self.now += 3600
        return io.BytesIO(b"x")


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n25\r\n" + SUCCESS + b"\r\n0\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + SUCCESS


class TestResponseTime:
    """A response that drips ends at the timeout, whatever part of it drips."""

    @pytest.mark.parametrize("files", [None, [("a.txt", b"x" * 100_000)]], ids=["json", "multipart"])
    @pytest.mark.parametrize(
        "content",
        [response(SUCCESS), CHUNKED, UNTIL_CLOSED, b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + UNTIL_CLOSED],
        ids=["length", "chunked", "until closed", "continue"],
    )
    @pytest.mark.parametrize("drips", ["headers", "body"])
    def test_dripping_response_is_unknown_outcome(self, files, content, drips):
        quick = 0 if drips == "headers" else content.rindex(SUCCESS)
        is_complete = threading.Event()

        def serve(connection):
            read_request(connection)
            connection.sendall(content[:quick])
            drip(connection, content[quick:])
            is_complete.set()

        with serving(serve) as (port, accepted):
            error = failed_send(connect(port, max_wait=9), files=files)
            assert not is_complete.is_set()
        assert type(error) is errors.UsedeskOutcomeUnknown
        assert len(accepted) == 1

    def test_dripping_read_is_unavailable(self):
        def serve(connection):
            read_request(connection)
            drip(connection, response(b"[]"))

        with serving(serve) as (port, _), connect(port) as client:
            assert type(failed_read(client)) is errors.UsedeskUnavailable

    def test_dripping_tls_record_is_unknown_outcome(self, context, certificate):
        def serve(connection):
            tls = Tls(connection, context)
            read_request(tls)
            drip(connection, tls.encrypted(response(SUCCESS)))

        with serving(serve) as (port, _):
            error = failed_send(connect(port, "https", verify=certificate))
        assert type(error) is errors.UsedeskOutcomeUnknown

    def test_dripping_tunnel_sends_nothing(self):
        def serve(connection):
            read_request(connection)
            drip(connection, b"HTTP/1.1 200 Connection established\r\n\r\n")

        with serving(serve) as (port, _):
            proxy = f"http://127.0.0.1:{port}"
            error = failed_send(connect(9, "https", proxy=proxy, connect_timeout=TIMEOUT))
        assert type(error) is errors.UsedeskUnavailable
        assert "Nothing was sent" in str(error)

    def test_upload_does_not_count(self, monkeypatch):
        file = SlowFile()
        monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: file.now))

        def serve(connection):
            read_request(connection)
            for byte in response(SUCCESS):
                connection.sendall(bytes([byte]))

        with serving(serve) as (port, _), connect(port, timeout=30) as client:
            assert client.create_ticket(**TICKET, files=[file]).ticket_id == 7
        assert file.now >= 3600

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_whole_responses_are_read(self, scheme, context, certificate):
        bodies = iter([response(SUCCESS), CHUNKED, UNTIL_CLOSED, UNTIL_CLOSED])

        def serve(connection):
            if scheme == "https":
                connection = context.wrap_socket(connection, server_side=True)
            with connection:
                while True:
                    read_request(connection)
                    content = next(bodies)
                    connection.sendall(content)
                    if content is UNTIL_CLOSED:
                        return

        with (
            serving(serve) as (port, accepted),
            connect(port, scheme, verify=certificate, timeout=30) as client,
        ):
            for _ in range(4):
                assert client.create_ticket(**TICKET).ticket_id == 7
        assert len(accepted) == 2


@pytest.fixture(scope="module")
def packed():
    return gzip.compress(b" " * 5 * LONGEST_BODY, 1)


class TestResponseSize:
    @pytest.mark.parametrize(
        "more",
        [{}, {"status": b"302 Found"}, {"status": b"429 Too Many Requests"}],
        ids=["200", "302", "429"],
    )
    def test_large_response_is_unknown_outcome(self, packed, more):
        headers = (b"Content-Encoding: gzip", b"Location: http://127.0.0.1/")

        def serve(connection):
            read_request(connection)
            connection.sendall(response(packed, *headers, **more))

        with serving(serve) as (port, accepted):
            tracemalloc.start()
            error = failed_send(connect(port, max_wait=9, timeout=30))
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert type(error) is errors.UsedeskOutcomeUnknown
        assert "longer than 16 MB" in str(error)
        assert most < 2 * LONGEST_BODY
        assert len(accepted) == 1

    def test_large_read_is_unavailable(self, packed):
        def serve(connection):
            read_request(connection)
            connection.sendall(response(packed, b"Content-Encoding: gzip"))

        with serving(serve) as (port, _), connect(port, timeout=30) as client:
            error = failed_read(client)
        assert type(error) is errors.UsedeskUnavailable
        assert "longer than 16 MB" in str(error)


class TestPhase:
    """Nothing was sent only if no byte of the request was written."""

    def test_wrong_record_after_request_is_unknown_outcome(self, context, certificate):
        def serve(connection):
            read_request(Tls(connection, context))
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.recv(1)

        with serving(serve) as (port, accepted):
            error = failed_send(connect(port, "https", verify=certificate, max_wait=9, timeout=9))
        assert type(error) is errors.UsedeskOutcomeUnknown
        assert "SSLError" in str(error)
        assert len(accepted) == 1

    def test_broken_kept_connection_is_unknown_outcome(self):
        def serve(connection):
            read_request(connection)
            connection.sendall(response(SUCCESS))
            read_request(connection)

        with serving(serve) as (port, accepted), connect(port, max_wait=9, timeout=30) as client:
            client.create_ticket(**TICKET)
            with pytest.raises(errors.UsedeskOutcomeUnknown):
                client.create_ticket(**TICKET)
        assert len(accepted) == 1

    def test_handshake_that_breaks_sends_nothing(self):
        with serving(lambda connection: connection.recv(1)) as (port, _):
            error = failed_send(connect(port, "https"))
        assert type(error) is errors.UsedeskUnavailable
        assert "Nothing was sent" in str(error)

    def test_later_request_does_not_inherit_phase(self):
        with serving(lambda connection: read_request(connection)) as (port, _):
            assert type(failed_send(connect(port))) is errors.UsedeskOutcomeUnknown
        assert type(failed_send(connect(port))) is errors.UsedeskUnavailable


class TestTls:
    def serve_with(self, context):
        def serve(connection):
            with context.wrap_socket(connection, server_side=True) as secure:
                secure.recv(65536)

        return serve

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    @pytest.mark.parametrize("case", ["TLS 1.1", "no shared cipher", "client certificate"])
    def test_refused_handshake_names_reason(self, context, certificate, case):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        if case == "TLS 1.1":
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        elif case == "no shared cipher":
            context.set_ciphers("ADH-AES128-SHA:@SECLEVEL=0")
        else:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(certificate)
        with serving(self.serve_with(context)) as (port, accepted):
            error = failed_send(connect(port, "https", verify=certificate, max_wait=9))
        assert type(error) is errors.UsedeskBadConnection
        assert "Nothing was sent" in str(error)
        assert re.search(r"\([A-Z0-9_]*(PROTOCOL_VERSION|HANDSHAKE_FAILURE)\)", str(error))
        assert len(accepted) == 1

    def test_missing_client_certificate_may_follow_request(self, context, certificate):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate)
        with serving(self.serve_with(context)) as (port, accepted):
            error = failed_send(connect(port, "https", verify=certificate, max_wait=9))
        assert type(error) is errors.UsedeskOutcomeUnknown
        assert len(accepted) == 1

    def test_untrusted_certificate_names_reason(self, context):
        with serving(self.serve_with(context)) as (port, _):
            error = failed_send(connect(port, "https", max_wait=9))
        assert type(error) is errors.UsedeskBadConnection
        assert "self-signed certificate" in str(error)


class TestCaFile:
    @pytest.fixture
    def server(self):
        with serving(lambda connection: connection.recv(65536)) as server:
            yield server

    @pytest.fixture
    def ca_file(self, tmp_path):
        path = tmp_path / "company-ca.pem"
        path.write_text("nothing")
        return path

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_missing_file_of_environment_is_named(self, server, environment, ca_file, variable):
        port, accepted = server
        ca_file.unlink()
        environment.setenv(variable, str(ca_file))
        error = failed_send(connect(port, "https", max_wait=9))
        assert type(error) is errors.UsedeskBadConnection
        assert f"{ca_file} does not exist. Nothing was sent" in str(error)
        assert accepted == []

    def test_missing_file_of_connection_is_named(self, server, ca_file):
        port, accepted = server
        client = connect(port, "https", max_wait=9, verify=str(ca_file))
        ca_file.unlink()
        assert f"{ca_file} does not exist. Nothing was sent" in str(failed_send(client))
        with pytest.raises(errors.UsedeskBadConnection, match=re.escape(str(ca_file))):
            connect(port, verify=str(ca_file))
        assert accepted == []

    @pytest.mark.parametrize("content", ["", "no certificate"])
    def test_file_without_certificates_is_named(self, server, ca_file, content):
        ca_file.write_text(content)
        error = failed_send(connect(server[0], "https", max_wait=9, verify=str(ca_file)))
        assert type(error) is errors.UsedeskBadConnection
        assert f"{ca_file} contains no certificates" in str(error)
        assert "Nothing was sent" in str(error)


class TestTunnels:
    @contextmanager
    def proxy(self, status):
        heads = []

        def serve(connection):
            heads.append(read_request(connection)[0])
            connection.sendall(response(b"", status=status))

        with serving(serve) as (port, _):
            yield port, heads

    @pytest.mark.parametrize(
        ("status", "wish"),
        [(b"407 Proxy Authentication Required", "a name and a password"), (b"403 Forbidden", "not permit")],
    )
    def test_refused_tunnel_is_bad_connection(self, status, wish):
        with self.proxy(status) as (port, heads):
            proxy = f"http://me:pa55@127.0.0.1:{port}"
            client = UsedeskClient.connect(TOKEN, "https://help.example/uapi", proxy=proxy, max_wait=9)
            error = failed_send(client)
        assert type(error) is errors.UsedeskBadConnection
        for text in (f"127.0.0.1:{port}", wish, "help.example", "Nothing was sent"):
            assert text in str(error)
        assert "pa55" not in str(error)
        assert len(heads) == 1
        assert heads[0].startswith(b"CONNECT ")

    @pytest.mark.parametrize("status", [b"502 Bad Gateway", b"503 Service Unavailable", b"nonsense"])
    def test_tunnel_that_is_not_ready_is_unavailable(self, status):
        with self.proxy(status) as (port, _):
            proxy = f"http://127.0.0.1:{port}"
            error = failed_send(connect(9, "https", proxy=proxy))
        assert type(error) is errors.UsedeskUnavailable
        assert "Nothing was sent" in str(error)

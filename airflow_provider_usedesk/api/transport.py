"""HTTP requests to one host: connections are kept open, and constant parts are prepared once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import get_cookie_header
from requests_toolbelt import MultipartEncoder

if TYPE_CHECKING:
    from urllib3.connectionpool import HTTPConnectionPool

# Number of threads that can send at once without opening new connections.
CONNECTIONS = 64


class Transport:
    """
    Sends requests to one host, from any number of threads at once.

    Proxies and CA files of the environment are read once, in the constructor. ``.netrc`` is not read,
    because the token in the body is the only authentication. Cookies of the service are sent back to it.

    :param base_url: URL to which the path of a method is added
    :param headers: headers of every request
    :param verify: whether to check the TLS certificate, or the path of a CA file or folder
    :param proxy: URL of a proxy; None for the proxy of the environment
    :param timeout: seconds to wait for a connection, and for a response
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str],
        verify: bool | str,
        proxy: str | None,
        timeout: tuple[float, float],
    ) -> None:
        self._base_url = base_url
        self._session = requests.Session()
        self._session.headers.update(headers)
        self._session.mount(base_url.partition("://")[0] + "://", _OneHostAdapter())
        proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._options: dict[str, Any] = {
            **self._session.merge_environment_settings(base_url, proxies, None, verify, None),
            "timeout": timeout,
            "allow_redirects": False,  # a redirected POST becomes a GET
        }
        self._prepared_requests: dict[tuple[str, str], requests.PreparedRequest] = {}

    def send(
        self, verb: str, method: str, content: bytes | MultipartEncoder, content_type: str
    ) -> requests.Response:
        """
        Send one request and return its response.

        :param verb: HTTP method
        :param method: path of the method below the base URL
        :param content: body
        :param content_type: type of the body
        """
        request = self._prepared(verb, method).copy()
        request.headers["Content-Type"] = content_type
        cookies = get_cookie_header(self._session.cookies, request)  # type: ignore[no-untyped-call]
        if cookies:
            request.headers["Cookie"] = cookies
        if isinstance(content, bytes):
            request.body = content
            request.headers["Content-Length"] = str(len(content))
        else:
            request.prepare_body(content, None)
        return self._session.send(request, **self._options)

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        self._session.close()

    def _prepared(self, verb: str, method: str) -> requests.PreparedRequest:
        prepared = self._prepared_requests.get((verb, method))
        if prepared is None:
            prepared = requests.PreparedRequest()
            prepared.prepare(verb, f"{self._base_url}/{method}", self._session.headers)
            self._prepared_requests[verb, method] = prepared
        return prepared


class _OneHostAdapter(HTTPAdapter):
    """Looks up the connection pool once, because all requests go to one host."""

    def __init__(self) -> None:
        super().__init__(pool_maxsize=1)
        self._pool: HTTPConnectionPool | None = None

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> HTTPConnectionPool:
        pool = self._pool
        if pool is None:
            found = super().get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
            pool = cast("HTTPConnectionPool", found)
            if pool.pool is not None:
                # A pool created with this size is filled at once, which is slow.
                pool.pool.maxsize = CONNECTIONS
            self._pool = pool
        return pool

    def close(self) -> None:
        self._pool = None
        super().close()

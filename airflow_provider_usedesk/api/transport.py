"""The way to one address: connections that are kept, and what never changes worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import get_cookie_header
from requests_toolbelt import MultipartEncoder

if TYPE_CHECKING:
    from urllib3.connectionpool import HTTPConnectionPool

# Threads that can send at once without connections being made and thrown away.
CONNECTIONS = 64


class Transport:
    """
    Send requests to one address, from as many threads at once as like.

    Proxies and CA files of the environment count as they are when this is made. No ``.netrc`` counts: the
    token in the body is all that names us. Cookies that the service sets are sent back to it.

    :param base_url: the address, to which the path of a method is added
    :param headers: go with every request
    :param verify: whether to check the TLS certificate, or the path of a CA file or folder
    :param proxy: URL of a proxy; None for what the environment says
    :param timeout: seconds to wait for a connection, and for an answer
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
        self._session.mount(base_url.partition("://")[0] + "://", _OneAddress())
        proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._options: dict[str, Any] = {
            **self._session.merge_environment_settings(base_url, proxies, None, verify, None),
            "timeout": timeout,
            "allow_redirects": False,  # a redirected POST becomes a GET
        }
        self._blanks: dict[tuple[str, str], requests.PreparedRequest] = {}

    def send(
        self, verb: str, method: str, content: bytes | MultipartEncoder, content_type: str
    ) -> requests.Response:
        """
        Send one request and read its answer.

        :param verb: of HTTP
        :param method: path of the method below the base URL
        :param content: body
        :param content_type: type of the body
        """
        request = self._blank(verb, method).copy()
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
        """Close the connections; another request makes new ones."""
        self._session.close()

    def _blank(self, verb: str, method: str) -> requests.PreparedRequest:
        blank = self._blanks.get((verb, method))
        if blank is None:
            blank = requests.PreparedRequest()
            blank.prepare(verb, f"{self._base_url}/{method}", self._session.headers)
            self._blanks[verb, method] = blank
        return blank


class _OneAddress(HTTPAdapter):
    """Look up once which connections lead to the only address that is used."""

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
                # A pool that is made this large is filled at once, which takes long.
                pool.pool.maxsize = CONNECTIONS
            self._pool = pool
        return pool

    def close(self) -> None:
        self._pool = None
        super().close()

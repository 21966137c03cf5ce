"""HTTP requests to one host: connections are kept open, and constant parts are prepared once."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import get_cookie_header
from requests.utils import select_proxy
from requests_toolbelt import MultipartEncoder

from airflow_provider_usedesk.api.connection_errors import ResponseTooLarge, Route
from airflow_provider_usedesk.api.connections import Phase, noted, progress
from airflow_provider_usedesk.api.hidden import HiddenText

if TYPE_CHECKING:
    from urllib3.connectionpool import HTTPConnectionPool

# Number of threads that can send at once without opening new connections.
CONNECTIONS = 64

# Bytes of the longest response that is read into memory, without compression.
LONGEST_BODY = 16_000_000


class Transport:
    """
    Sends requests to one host, from any number of threads at once.

    Proxies and CA files of the environment are read once, in the constructor. ``.netrc`` is not read,
    because the token in the body is the only authentication. Cookies of the service are sent back to it.

    :param base_url: URL to which the path of a method is added
    :param headers: headers of every request
    :param verify: whether to check the TLS certificate, or the path of a CA file or folder
    :param proxy: URL of a proxy; None for the proxy of the environment
    :param timeout: seconds to wait for a connection, and for a whole response after the request was written
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
        self._options: dict[str, Any] = {
            **self._environment_settings(base_url, proxy, verify),
            "timeout": timeout,
            "allow_redirects": False,  # a redirected POST becomes a GET
        }
        found: Mapping[str, str] = self._options["proxies"]
        self._options["proxies"] = {scheme: HiddenText(url) for scheme, url in found.items()}
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
        progress.phase = Phase.UNKNOWN
        request = self._prepared(verb, method).copy()
        request.headers["Content-Type"] = content_type
        self._add_cookies(request)
        if isinstance(content, bytes):
            request.body = content
            request.headers["Content-Length"] = str(len(content))
        else:
            request.prepare_body(content, None)
        return self._session.send(request, **self._options)

    def _add_cookies(self, request: requests.PreparedRequest) -> None:
        if not self._session.cookies:
            return
        cookies = get_cookie_header(self._session.cookies, request)  # type: ignore[no-untyped-call]
        if cookies:
            request.headers["Cookie"] = cookies

    @property
    def phase(self) -> Phase:
        """How far the last request of this thread came."""
        return progress.phase

    def route(self) -> Route:
        """Return how requests reach the service."""
        proxy = select_proxy(self._base_url, self._options["proxies"])
        verify = self._options["verify"]
        is_tls = self._base_url.startswith("https:")
        return Route(
            host=urlsplit(self._base_url).netloc.rpartition("@")[2],
            has_tls=is_tls,
            proxy=_address(proxy) if proxy else None,
            ca_file=verify if is_tls and isinstance(verify, str) else None,
        )

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        self._session.close()

    def _environment_settings(
        self, base_url: str, proxy: str | None, verify: bool | str
    ) -> Mapping[str, Any]:
        """Return the settings of a request, with those of the environment for what is not given."""
        if verify is True:
            verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or verify
        self._session.trust_env = not proxy and _may_have_proxies()
        if not self._session.trust_env:
            # Otherwise requests reads the whole environment twice more to find no proxy.
            proxies = {"http": proxy, "https": proxy} if proxy else {}
            return {"proxies": proxies, "stream": False, "verify": verify, "cert": None}
        return self._session.merge_environment_settings(base_url, {}, None, verify, None)

    def _prepared(self, verb: str, method: str) -> requests.PreparedRequest:
        prepared = self._prepared_requests.get((verb, method))
        if prepared is None:
            prepared = requests.PreparedRequest()
            prepared.prepare(verb, f"{self._base_url}/{method}", self._session.headers)
            self._prepared_requests[verb, method] = prepared
        return prepared


def _may_have_proxies() -> bool:
    """Return whether the environment, or the settings of the machine, may name a proxy for any scheme."""
    if platform.system() != "Linux":
        return bool(getproxies())
    # getproxies() decodes the whole environment, and a task makes a client of its own.
    return b"_proxy" in b"\n".join(os.environb).lower()


def _address(proxy: str) -> str:
    """Return host and port of a proxy, without the credentials of its URL."""
    return proxy.rpartition("://")[2].partition("/")[0].rpartition("@")[2]


class _OneHostAdapter(HTTPAdapter):
    """
    Looks up the connection pool once, because all requests go to one host.

    It reads responses of a limited size only.
    """

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
            pool.ConnectionCls = noted(pool.ConnectionCls)
            self._pool = pool
        return pool

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().cert_verify(*args, **kwargs)  # type: ignore[no-untyped-call]
        except OSError:
            # The CA file is missing, and nothing was sent.
            progress.phase = Phase.CONNECTING
            raise

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(request, *args, **kwargs)
        response.__class__ = _LimitedResponse
        # With it, requests reads the body also without decoding, which has no limit.
        response.headers.pop("Location", None)
        return response

    def close(self) -> None:
        self._pool = None
        super().close()


class _LimitedResponse(requests.Response):
    """A response whose body is read only if it is not too long."""

    def iter_content(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        size = 0
        for part in super().iter_content(*args, **kwargs):
            size += len(part)
            if size > LONGEST_BODY:
                self.close()
                raise ResponseTooLarge(LONGEST_BODY)
            yield part

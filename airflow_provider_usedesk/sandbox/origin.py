"""Requests that a browser sends for a page of another site; such a page must change nothing here."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


def refuse_other_sites(app: ASGIApp) -> ASGIApp:
    """Return the application, which responds with 403 to a request of another site that changes something."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD") and _is_from_other_site(scope):
            response = PlainTextResponse("Only the pages of this sandbox can send this.\n", 403)
            await response(scope, receive, send)
        else:
            await app(scope, receive, send)

    return guarded


def _is_from_other_site(scope: Scope) -> bool:
    """Return whether a browser sent this from a page of another site; another port is another site."""
    headers = Headers(scope=scope)
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site not in (None, "same-origin", "none"):
        return True
    return origin is not None and origin.partition("://")[2] != headers.get("host")

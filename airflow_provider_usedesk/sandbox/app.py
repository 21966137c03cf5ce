"""The ASGI application of the sandbox: the API, the inbox and the API for tests."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_usedesk.sandbox.api import Api, method_of
from airflow_provider_usedesk.sandbox.control import OPENAPI_PATH, PREFIX, control_routes, docs_route
from airflow_provider_usedesk.sandbox.http_errors import add_error_responses
from airflow_provider_usedesk.sandbox.inbox import inbox_routes
from airflow_provider_usedesk.sandbox.origin import refuse_other_sites
from airflow_provider_usedesk.sandbox.state import State


def build_app(state: State) -> ASGIApp:
    """Build the application; the API is not part of the FastAPI application, which would hide the socket."""
    api = Api(state)
    pages = FastAPI(title="Usedesk sandbox", docs_url=None, redoc_url=None, openapi_url=OPENAPI_PATH)
    add_error_responses(pages, PREFIX)
    for router in (control_routes(state), docs_route(pages), inbox_routes(state)):
        pages.include_router(router)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and method_of(scope["path"]) is not None:
            await api(scope, receive, send)
        else:
            await pages(scope, receive, send)

    # A page of another site could have its own name resolve to this machine.
    return TrustedHostMiddleware(refuse_other_sites(app), state.options.hosts, www_redirect=False)

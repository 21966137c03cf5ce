"""The ASGI application of the sandbox: the API, the inbox and the control endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Body, FastAPI, HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_usedesk.sandbox import faults
from airflow_provider_usedesk.sandbox.api import Api, method_of
from airflow_provider_usedesk.sandbox.inbox import inbox_routes
from airflow_provider_usedesk.sandbox.origin import refuse_other_sites
from airflow_provider_usedesk.sandbox.state import State

FAULTS: Mapping[str, Callable[..., faults.Fault]] = {
    "close": faults.close,
    "delay": faults.delay,
    "answer": faults.answer,
    "html": faults.html,
    "rate_limited": faults.rate_limited,
    "half_answer": faults.half_answer,
}


def build_app(state: State) -> ASGIApp:
    """Build the application; the API is not part of the FastAPI application, which would hide the socket."""
    api = Api(state)
    pages = FastAPI(title="Usedesk sandbox", docs_url=None, redoc_url=None, openapi_url=None)
    _add_control_routes(pages, state)
    pages.include_router(inbox_routes(state))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and method_of(scope["path"]) is not None:
            await api(scope, receive, send)
        else:
            await pages(scope, receive, send)

    # A page of another site could have its own name resolve to this machine.
    return TrustedHostMiddleware(refuse_other_sites(app), state.options.hosts, www_redirect=False)


def _add_control_routes(pages: FastAPI, state: State) -> None:
    @pages.post("/_sandbox/faults", status_code=201)
    def add_fault(order: dict[str, Any] = Body()) -> list[dict[str, Any]]:  # noqa: B008 (FastAPI's style)
        times, method = order.pop("times", 1), order.pop("method", None)
        make = FAULTS.get(str(order.pop("fault", "")))
        if make is None:
            raise HTTPException(400, f"fault must be one of {', '.join(FAULTS)}.")
        try:
            state.fail(make(**order), times, method)
        except (TypeError, ValueError) as error:
            raise HTTPException(400, str(error)) from None
        return state.faults.as_json()

    @pages.get("/_sandbox/faults")
    def list_faults() -> list[dict[str, Any]]:
        return state.faults.as_json()

    @pages.delete("/_sandbox/faults", status_code=204)
    def clear_faults() -> None:
        state.faults.clear()

    @pages.post("/_sandbox/reset", status_code=204)
    def reset() -> None:
        state.reset()

"""Errors of the inbox and of the API for tests, as HTTP responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException as AnyHTTPException

from airflow_provider_usedesk.sandbox.page import rendered_page

TITLES: Mapping[int, str] = {400: "This cannot be done", 404: "Not found"}


@contextmanager
def http_errors() -> Iterator[None]:
    """Turn an unknown id into 404, and a wrong value into 400 with its text."""
    try:
        yield
    except KeyError:
        raise HTTPException(404, "It does not exist, or not any more.") from None
    except ValueError as error:
        raise HTTPException(400, str(error)) from None


def add_error_responses(app: FastAPI, json_prefix: str) -> None:
    """
    Respond to errors with JSON, and to a browser with a page.

    :param app: the application
    :param json_prefix: beginning of the paths that respond with JSON to browsers, too
    """

    def respond(request: Request, status: int, text: str, headers: Mapping[str, str] | None) -> Response:
        is_for_people = "text/html" in request.headers.get("accept", "")
        if request.url.path.startswith(json_prefix) or not is_for_people:
            return JSONResponse({"detail": text}, status, headers=headers)
        response = rendered_page("error.html", here="", title=TITLES.get(status, f"HTTP {status}"), text=text)
        response.status_code = status
        response.headers.update(headers or {})
        return response

    @app.exception_handler(AnyHTTPException)
    async def http_error(request: Request, error: AnyHTTPException) -> Response:
        return respond(request, error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def wrong_value(request: Request, error: RequestValidationError) -> Response:
        errors = error.errors()
        # An id in a path that is no number is the id of nothing.
        status = 404 if all(one["loc"][0] == "path" for one in errors) else 400
        return respond(request, status, "; ".join(map(_text, errors)), None)


def _text(error: Mapping[str, Any]) -> str:
    return f"{error['loc'][-1]}: {error['msg']}"

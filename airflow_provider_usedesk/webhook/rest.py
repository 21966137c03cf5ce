"""Webhooks in an Airflow that is reached over its public REST API."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import requests

from airflow_provider_usedesk.assets import asset_uri
from airflow_provider_usedesk.delivery.reports import (
    SEEN_EVENTS,
    DeliveryReport,
    as_state,
    reports_in,
    state_key,
    with_report,
)
from airflow_provider_usedesk.webhook.app import StoreError
from airflow_provider_usedesk.webhook.events import WebhookEvent, asset_event_extra

log = logging.getLogger(__name__)

TIMEOUT = (5, 10)
# In errors instead of the path, whose key contains the event id.
STATE = "/api/v2/assets/…/state-store/…"
# Seconds between two requests for the id of an asset, also if there is no such asset.
CACHE_SECONDS = 30
# Number of events known without a state store, which Airflow has from 3.3 on.
MAX_REGISTERED = 10_000
EXPIRED = (
    " Has the access token expired? Use AIRFLOW_API_USERNAME and AIRFLOW_API_PASSWORD instead of "
    "AIRFLOW_API_TOKEN; then the receiver renews it."
)


class AirflowRequestError(StoreError):
    """Airflow's REST API responded with an error; the text names the kind of request and the status."""


class RestStore:
    """
    Store webhooks in an Airflow, one after another.

    :param airflow: the REST API
    :param now: returns the current time
    """

    def __init__(self, airflow: AirflowApi, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._airflow = airflow
        self._now = now
        self._lock = threading.Lock()
        self._asset_id = lru_cache(256)(lambda uri, _: airflow.asset_id(uri))
        self._registered: dict[tuple[int, str], str] = {}

    async def save(self, conn_id: str, event: WebhookEvent) -> None:
        """
        Store an event; return when Airflow has confirmed it.

        :param conn_id: id of the connection that received it
        :param event: the event
        :raises AirflowRequestError: if Airflow responded with an error
        :raises requests.RequestException: if Airflow could not be reached
        """
        await asyncio.to_thread(self._save, conn_id, event)

    def _save(self, conn_id: str, event: WebhookEvent) -> None:
        with self._lock:
            uri = asset_uri(conn_id, event.kind)
            asset_id = self._asset_id(uri, int(time.monotonic() / CACHE_SECONDS))
            if asset_id is None:
                log.info("Ignored a webhook, because no Dag and no task uses the asset %s.", uri)
                return
            key = SEEN_EVENTS + event.event_id
            now = self._now()
            if event.can_recur:
                self._store_report(asset_id, event, now.isoformat())
            if not event.was_stored(self._registered.get((asset_id, key)), now):
                if event.was_stored(self._airflow.state(asset_id, key), now):
                    return
                self._register(asset_id, key, event, conn_id, now.isoformat())
            # Last: a receiver that dies before this has not responded, so the sender sends the webhook again.
            self._airflow.set_state(asset_id, key, self._registered[asset_id, key])

    def _register(self, asset_id: int, key: str, event: WebhookEvent, conn_id: str, received_at: str) -> None:
        if not event.can_recur:
            self._store_report(asset_id, event, received_at)
        self._airflow.register_event(asset_id, asset_event_extra(event, conn_id, received_at))
        self._registered[asset_id, key] = received_at
        if len(self._registered) > MAX_REGISTERED:
            del self._registered[next(iter(self._registered))]

    def _store_report(self, asset_id: int, event: WebhookEvent, received_at: str) -> None:
        ticket_id = event.facts.get("ticket_id")
        if event.kind != "delivery" or ticket_id is None:
            return
        report = DeliveryReport(event.facts["delivery_status"], event.facts["comment_id"], received_at)
        known = reports_in(self._airflow.state(asset_id, state_key(ticket_id)))
        # An earlier request that failed after this step may have stored the report already.
        if (reports := with_report(known, report)) != known:
            self._airflow.set_state(asset_id, state_key(ticket_id), as_state(reports))


class AirflowApi:
    """
    A client of Airflow's public REST API, with a username and a password or with a token.

    With a username, it requests an access token, and a new one when that has expired.

    :param url: address of Airflow, such as https://airflow.example.org
    :param token: an access token, used if there is no username; it is not renewed
    :param username: user to request an access token for, at ``/auth/token``
    :param password: password of the user
    :param verify: whether to check the TLS certificate, or the path of a CA file; default: true
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        verify: bool | str = True,
    ) -> None:
        self._url = url.rstrip("/")
        self._login = {"username": username, "password": password} if username else None
        self._token = None if self._login else token
        self._session = requests.Session()
        self._session.verify = verify
        # A redirected POST would arrive as a GET, and its content would be lost.
        self._session.max_redirects = 0

    def check(self) -> str:
        """Return the version of Airflow, after a request that needs a valid token."""
        if self._call("GET", "/api/v2/assets", params={"limit": 1}, may_be_missing=True).status_code == 404:
            raise AirflowRequestError(
                "it has no /api/v2/assets. The stand-alone receiver needs Airflow 3.0 or newer, at the "
                "address of its API server."
            )
        return str(self._call("GET", "/api/v2/version").json()["version"])

    def asset_id(self, uri: str) -> int | None:
        """Return the id of an asset; None if no Dag and no task uses it."""
        found = self._call("GET", "/api/v2/assets", params={"uri_pattern": uri, "only_active": True}).json()
        return next((int(asset["id"]) for asset in found["assets"] if asset["uri"] == uri), None)

    def register_event(self, asset_id: int, extra: dict[str, Any]) -> None:
        """Create an event of an asset."""
        self._call("POST", "/api/v2/assets/events", json={"asset_id": asset_id, "extra": extra})

    def state(self, asset_id: int, key: str) -> Any:
        """Return a value from the state store of an asset; None if it has none, and before Airflow 3.3."""
        response = self._call("GET", _state_path(asset_id, key), STATE, may_be_missing=True)
        return response.json()["value"] if response.status_code == 200 else None

    def set_state(self, asset_id: int, key: str, value: Any) -> None:
        """Write a value to the state store of an asset; do nothing before Airflow 3.3, which has none."""
        self._call("PUT", _state_path(asset_id, key), STATE, json={"value": value}, may_be_missing=True)

    def _call(
        self, verb: str, path: str, name: str | None = None, *, may_be_missing: bool = False, **kwargs: Any
    ) -> requests.Response:
        response = self._send(verb, path, **kwargs)
        if response.status_code == 401 and self._login:
            self._token = None
            response = self._send(verb, path, **kwargs)
        if not response.ok and not (may_be_missing and response.status_code in (404, 405)):
            hint = EXPIRED if response.status_code == 401 and not self._login else ""
            raise AirflowRequestError(
                f"Airflow responded with HTTP {response.status_code} to {verb} {name or path}.{hint}"
            )
        return response

    def _send(self, verb: str, path: str, **kwargs: Any) -> requests.Response:
        if self._token is None and self._login:
            self._token = self._new_token()
        return self._session.request(verb, self._url + path, auth=self._authorize, timeout=TIMEOUT, **kwargs)

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As auth, because a .netrc would replace a header.
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _new_token(self) -> str:
        response = self._session.post(f"{self._url}/auth/token", json=self._login, timeout=TIMEOUT)
        if not response.ok:
            raise AirflowRequestError(
                f"Airflow issued no access token (HTTP {response.status_code}). "
                "Check the username and the password."
            )
        return str(response.json()["access_token"])


def _state_path(asset_id: int, key: str) -> str:
    return f"/api/v2/assets/{asset_id}/state-store/{quote(key)}"

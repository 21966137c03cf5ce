"""Keep webhooks in an Airflow that is reached over its public REST API."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import requests

from airflow_provider_usedesk.assets import asset_uri
from airflow_provider_usedesk.delivery.reports import DeliveryReport, as_state, reports_in, state_key
from airflow_provider_usedesk.webhook.events import EVENTS, WebhookEvent, extra_of

log = logging.getLogger(__name__)

TIMEOUT = (5, 10)
# Seconds for which the number of an asset is remembered, and that there is none.
REMEMBERED = 30
# How many events are known without asking Airflow, which before 3.3 could not tell.
MAX_REGISTERED = 10_000


class AirflowRefused(RuntimeError):
    """Report that Airflow's REST API did not do what it was asked to."""


class RestStore:
    """
    Keep webhooks in an Airflow, one after the other.

    :param airflow: the REST API
    :param now: tells the time
    """

    def __init__(self, airflow: AirflowApi, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._airflow = airflow
        self._now = now
        self._one_at_a_time = threading.Lock()
        self._asset_id = lru_cache(256)(lambda uri, _: airflow.asset_id(uri))
        self._registered: dict[tuple[int, str], None] = {}

    async def keep(self, conn_id: str, event: WebhookEvent) -> None:
        await asyncio.to_thread(self._keep, conn_id, event)

    def _keep(self, conn_id: str, event: WebhookEvent) -> None:
        with self._one_at_a_time:
            uri = asset_uri(conn_id, event.kind)
            asset_id = self._asset_id(uri, int(time.monotonic() / REMEMBERED))
            if asset_id is None:
                log.info("A webhook, but no Dag and no task names the asset %s.", uri)
                return
            mark = EVENTS + event.event_id
            if (asset_id, mark) not in self._registered:
                if self._airflow.state(asset_id, mark) is not None:
                    return
                self._register(asset_id, mark, event, conn_id)
            # Last: who dies before this has not answered either, and the sender comes again.
            self._airflow.set_state(asset_id, mark, conn_id)

    def _register(self, asset_id: int, mark: str, event: WebhookEvent, conn_id: str) -> None:
        at = self._now().isoformat()
        self._remember_report(asset_id, event, at)
        self._airflow.register_event(asset_id, extra_of(event, conn_id, at))
        self._registered[asset_id, mark] = None
        if len(self._registered) > MAX_REGISTERED:
            del self._registered[next(iter(self._registered))]

    def _remember_report(self, asset_id: int, event: WebhookEvent, at: str) -> None:
        ticket_id = event.facts.get("ticket_id")
        if event.kind != "delivery" or ticket_id is None:
            return
        report = DeliveryReport(event.facts["delivery_status"], event.facts["comment_id"], at)
        known = reports_in(self._airflow.state(asset_id, state_key(ticket_id)))
        # It is there already when an earlier request died after this.
        if not any(replace(one, at=at) == report for one in known):
            self._airflow.set_state(asset_id, state_key(ticket_id), as_state([*known, report]))


class AirflowApi:
    """
    Call the public REST API of Airflow.

    :param url: address of Airflow, such as https://airflow.example.org
    :param token: a token; or
    :param username: who asks ``/auth/token`` for one, with
    :param password: this password
    :param verify: whether to check the TLS certificate, or the path of a CA file
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
        self._token = token
        self._login = {"username": username, "password": password} if username else None
        self._session = requests.Session()
        self._session.verify = verify
        # What is posted to an address that redirects comes to the other one as a GET, and is lost.
        self._session.max_redirects = 0

    def check(self) -> str:
        """Return the version of this Airflow, after a call that needs a valid token."""
        self._call("GET", "/api/v2/assets", params={"limit": 1})
        return str(self._call("GET", "/api/v2/version").json()["version"])

    def asset_id(self, uri: str) -> int | None:
        """Return the number of an asset; None where nothing in Airflow names it."""
        found = self._call("GET", "/api/v2/assets", params={"uri_pattern": uri, "only_active": True}).json()
        return next((int(asset["id"]) for asset in found["assets"] if asset["uri"] == uri), None)

    def register_event(self, asset_id: int, extra: dict[str, Any]) -> None:
        self._call("POST", "/api/v2/assets/events", json={"asset_id": asset_id, "extra": extra})

    def state(self, asset_id: int, key: str) -> Any:
        """Return what the state store of an asset holds; None where it does not, and before 3.3."""
        answer = self._call("GET", _state_path(asset_id, key), may_miss=True)
        return answer.json()["value"] if answer.status_code == 200 else None

    def set_state(self, asset_id: int, key: str, value: Any) -> None:
        """Write to the state store of an asset; Airflow before 3.3 has none, and says so with a 404."""
        self._call("PUT", _state_path(asset_id, key), json={"value": value}, may_miss=True)

    def _call(self, verb: str, path: str, *, may_miss: bool = False, **kwargs: Any) -> requests.Response:
        answer = self._send(verb, path, **kwargs)
        if answer.status_code == 401 and self._login:
            self._token = None
            answer = self._send(verb, path, **kwargs)
        if not answer.ok and not (may_miss and answer.status_code in (404, 405)):
            raise AirflowRefused(f"Airflow answered HTTP {answer.status_code} to {verb} {path}.")
        return answer

    def _send(self, verb: str, path: str, **kwargs: Any) -> requests.Response:
        if self._token is None and self._login:
            self._token = self._new_token()
        return self._session.request(verb, self._url + path, auth=self._authorized, timeout=TIMEOUT, **kwargs)

    def _authorized(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As auth, not as a header: that would give way to a .netrc.
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _new_token(self) -> str:
        answer = self._session.post(f"{self._url}/auth/token", json=self._login, timeout=TIMEOUT)
        if not answer.ok:
            raise AirflowRefused(f"Airflow gave no token (HTTP {answer.status_code}).")
        return str(answer.json()["access_token"])


def _state_path(asset_id: int, key: str) -> str:
    return f"/api/v2/assets/{asset_id}/state-store/{quote(key)}"

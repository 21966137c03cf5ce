"""The requests of the stand-alone receiver to Airflow's REST API."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import requests
import requests_mock as mocked

from airflow_provider_usedesk.assets import asset_uri
from airflow_provider_usedesk.delivery.reports import reports_in, state_key
from airflow_provider_usedesk.webhook import rest
from airflow_provider_usedesk.webhook.app import build_app
from airflow_provider_usedesk.webhook.events import read_event
from airflow_provider_usedesk.webhook.rest import AirflowApi, AirflowRequestError, RestStore
from tests.webhook.conftest import ADDRESS, REPORT, respond

URL = "https://airflow.example"
ASSETS = f"{URL}/api/v2/assets"
URI = asset_uri("usedesk_default", "delivery")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def report(status="DELIVERED", comment_id=7):
    part = {"delivery_status": status, "comment_id": comment_id, "extras": {"ticket_id": 1}}
    return read_event({"message_status": part})


class Airflow:
    """A mocked REST API with one asset and its state store."""

    def __init__(self, mocker, has_state_store=True):
        self.states, self.events, self.mocker = {}, [], mocker
        other = {"id": 4, "uri": f"{URI}-other"}
        mocker.post(f"{ASSETS}/events", json=self.register)
        mocker.get(mocked.ANY, json=self.get)
        mocker.get(ASSETS, json={"assets": [other, {"id": 5, "uri": URI}]})
        if has_state_store:
            mocker.put(mocked.ANY, json=self.put)
        else:
            mocker.put(mocked.ANY, status_code=404)

    def register(self, request, context):
        self.events.append(request.json())
        return {}

    def get(self, request, context):
        if request.path not in self.states:
            context.status_code = 404
            return {}
        return {"value": self.states[request.path]}

    def put(self, request, context):
        self.states[request.path] = request.json()["value"]
        return {}

    def reports(self):
        return reports_in(self.states[f"/api/v2/assets/5/state-store/{state_key(1)}"])


@pytest.fixture
def mocker():
    with mocked.Mocker() as mocker:
        yield mocker


@pytest.fixture
def save():
    store = RestStore(AirflowApi(URL, token="t0ken"))
    return lambda event: asyncio.run(store.save("usedesk_default", event))


def test_report_is_stored_once(mocker, save):
    airflow = Airflow(mocker)
    save(report("SENT"))
    save(report())
    save(report())
    assert [event["asset_id"] for event in airflow.events] == [5, 5]
    assert airflow.events[1]["extra"]["delivery_status"] == "DELIVERED"
    assert [one.status for one in airflow.reports()] == ["SENT", "DELIVERED"]


@pytest.mark.parametrize("has_state_store", [True, False])
def test_report_without_message_can_be_on_the_next_message(mocker, has_state_store):
    airflow, now = Airflow(mocker, has_state_store), [NOW]
    store = RestStore(AirflowApi(URL, token="t0ken"), lambda: now[0])
    for seconds in (0, 5, 6):
        now[0] += timedelta(seconds=seconds)
        asyncio.run(store.save("usedesk_default", report(comment_id=None)))
    assert len(airflow.events) == 2
    if has_state_store:
        assert [one.at for one in airflow.reports()] == [now[0].isoformat()]


@pytest.mark.parametrize("has_state_store", [True, False])
def test_client_can_write_the_same_text_again(mocker, has_state_store):
    airflow, now = Airflow(mocker, has_state_store), [NOW]
    mocker.get(ASSETS, json={"assets": [{"id": 6, "uri": asset_uri("usedesk_default", "chat")}]})
    store = RestStore(AirflowApi(URL, token="t0ken"), lambda: now[0])
    for seconds in (0, 5, 6):
        now[0] += timedelta(seconds=seconds)
        asyncio.run(store.save("usedesk_default", read_event({"chat_id": 9, "text": "yes"})))
    assert len(airflow.events) == 2


def test_failed_registration_is_retried(mocker, save):
    airflow = Airflow(mocker)
    mocker.post(f"{ASSETS}/events", status_code=500)
    with pytest.raises(AirflowRequestError, match="HTTP 500 to POST /api/v2/assets/events"):
        save(report())
    mocker.post(f"{ASSETS}/events", json=airflow.register)
    save(report())
    assert len(airflow.events) == 1
    assert len(airflow.reports()) == 1


def test_failed_marking_registers_no_duplicate(mocker, save):
    airflow = Airflow(mocker)
    comment = read_event({"comment": {"id": 1}})
    mocker.get(ASSETS, json={"assets": [{"id": 6, "uri": asset_uri("usedesk_default", "comment")}]})
    mocker.put(mocked.ANY, status_code=500)
    with pytest.raises(AirflowRequestError, match="HTTP 500 to PUT"):
        save(comment)
    mocker.put(mocked.ANY, json=airflow.put)
    save(comment)
    assert len(airflow.events) == 1
    assert list(airflow.states) == ["/api/v2/assets/6/state-store/webhook/comment/1"]


@pytest.mark.parametrize("verb", ["GET", "PUT"])
def test_error_names_no_event(mocker, authenticator, caplog, verb):
    """So the same error of many events is one warning."""
    Airflow(mocker)
    mocker.register_uri(verb, re.compile("/state-store/"), status_code=500)
    app = build_app(authenticator, RestStore(AirflowApi(URL, token="t0ken")))
    for comment_id in (1001, 1002, 1003):
        part = {**REPORT["message_status"], "comment_id": comment_id}
        assert asyncio.run(respond(app, ADDRESS, {"message_status": part})) == 503
    [warning] = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warning.endswith(f"Airflow responded with HTTP 500 to {verb} /api/v2/assets/…/state-store/….")


def test_no_state_store_registers_once(mocker, save):
    airflow = Airflow(mocker, has_state_store=False)
    save(report())
    save(report())
    assert len(airflow.events) == 1
    assert airflow.states == {}


def test_registered_events_are_bounded(mocker, save, monkeypatch):
    monkeypatch.setattr(rest, "MAX_REGISTERED", 2)
    airflow = Airflow(mocker, has_state_store=False)
    for comment_id in (1, 2, 3, 2, 3, 1):
        save(report(comment_id=comment_id))
    assert [event["extra"]["comment_id"] for event in airflow.events] == [1, 2, 3, 1]


def test_unused_asset_is_ignored(mocker, save, caplog):
    airflow = Airflow(mocker)
    with caplog.at_level("INFO"):
        save(read_event({"ticket": {"id": 1}}))
    assert airflow.events == []
    assert "no Dag and no task uses the asset usedesk://usedesk_default/ticket" in caplog.text


def test_redirect_raises_error(mocker, save):
    airflow = Airflow(mocker)
    mocker.post(f"{ASSETS}/events", status_code=302, headers={"Location": f"{ASSETS}/other"})
    mocker.get(f"{ASSETS}/other", json={"asset_events": []})
    with pytest.raises(requests.TooManyRedirects):
        save(report())
    assert airflow.events == []


def test_expired_token_is_renewed(mocker):
    tokens = iter(["old", "new"])
    mocker.post(f"{URL}/auth/token", json=lambda request, context: {"access_token": next(tokens)})

    def assets(request, context):
        context.status_code = 200 if request.headers["Authorization"] == "Bearer new" else 401
        return {"assets": []}

    mocker.get(ASSETS, json=assets)
    api = AirflowApi(URL, username="receiver", password="p")
    assert api.asset_id(URI) is None
    asked = [json.loads(one.text) for one in mocker.request_history if one.path == "/auth/token"]
    assert asked == [{"username": "receiver", "password": "p"}] * 2


def test_login_overrides_token(mocker):
    mocker.post(f"{URL}/auth/token", json={"access_token": "new"})
    mocker.get(ASSETS, json={"assets": []})
    AirflowApi(URL, token="expires", username="receiver", password="p").asset_id(URI)
    assert mocker.last_request.headers["Authorization"] == "Bearer new"


def test_expired_token_says_what_to_do(mocker):
    mocker.get(ASSETS, status_code=401)
    with pytest.raises(AirflowRequestError, match="HTTP 401 .* expired\\? Use AIRFLOW_API_USERNAME"):
        AirflowApi(URL, token="t0ken").asset_id(URI)


def test_login_error_has_no_password(mocker):
    mocker.post(f"{URL}/auth/token", status_code=401)
    with pytest.raises(AirflowRequestError) as raised:
        AirflowApi(URL, username="receiver", password="p4ssword").check()
    assert (
        str(raised.value) == "Airflow issued no access token (HTTP 401). Check the username and the password."
    )


def test_airflow_2_is_refused_by_name(mocker):
    mocker.get(ASSETS, status_code=404)
    with pytest.raises(AirflowRequestError, match=r"needs Airflow 3\.0 or newer"):
        AirflowApi(URL, token="t0ken").check()


def test_token_overrides_netrc(mocker, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine airflow.example login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    mocker.get(ASSETS, json={"assets": []})
    AirflowApi(URL, token="t0ken").asset_id(URI)
    assert mocker.last_request.headers["Authorization"] == "Bearer t0ken"

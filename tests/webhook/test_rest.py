"""What the receiver that stands alone asks of Airflow's REST API."""

from __future__ import annotations

import asyncio
import json

import pytest
import requests
import requests_mock as mocked

from airflow_provider_usedesk.assets import asset_uri
from airflow_provider_usedesk.delivery.reports import reports_in
from airflow_provider_usedesk.webhook import rest
from airflow_provider_usedesk.webhook.events import read_event
from airflow_provider_usedesk.webhook.rest import AirflowApi, AirflowRefused, RestStore

URL = "https://airflow.example"
ASSETS = f"{URL}/api/v2/assets"
URI = asset_uri("usedesk_default", "delivery")


def report(status="DELIVERED", comment_id=7):
    part = {"delivery_status": status, "comment_id": comment_id, "extras": {"ticket_id": 1}}
    return read_event({"message_status": part})


class Airflow:
    """An Airflow on the wire, with one asset and its state store."""

    def __init__(self, mocker, states=True):
        self.states, self.events, self.mocker = {}, [], mocker
        other = {"id": 4, "uri": f"{URI}-other"}
        mocker.post(f"{ASSETS}/events", json=self.register)
        mocker.get(mocked.ANY, json=self.get)
        mocker.get(ASSETS, json={"assets": [other, {"id": 5, "uri": URI}]})
        if states:
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
        return reports_in(self.states["/api/v2/assets/5/state-store/ticket/1"])


@pytest.fixture
def mocker():
    with mocked.Mocker() as mocker:
        yield mocker


@pytest.fixture
def keep():
    store = RestStore(AirflowApi(URL, token="t0ken"))
    return lambda event: asyncio.run(store.keep("usedesk_default", event))


def test_a_report_is_remembered_and_registered_once(mocker, keep):
    airflow = Airflow(mocker)
    keep(report("SENT"))
    keep(report())
    keep(report())
    assert [event["asset_id"] for event in airflow.events] == [5, 5]
    assert airflow.events[1]["extra"]["delivery_status"] == "DELIVERED"
    assert [one.status for one in airflow.reports()] == ["SENT", "DELIVERED"]


def test_what_died_before_it_was_answered_is_done_again_but_remembered_once(mocker, keep):
    airflow = Airflow(mocker)
    mocker.post(f"{ASSETS}/events", status_code=500)
    with pytest.raises(AirflowRefused, match="HTTP 500 to POST /api/v2/assets/events"):
        keep(report())
    mocker.post(f"{ASSETS}/events", json=airflow.register)
    keep(report())
    assert len(airflow.events) == 1
    assert len(airflow.reports()) == 1


def test_an_event_that_could_not_be_noted_is_not_registered_again(mocker, keep):
    airflow = Airflow(mocker)
    comment = read_event({"comment": {"id": 1}})
    mocker.get(ASSETS, json={"assets": [{"id": 6, "uri": asset_uri("usedesk_default", "comment")}]})
    mocker.put(mocked.ANY, status_code=500)
    with pytest.raises(AirflowRefused, match="HTTP 500 to PUT"):
        keep(comment)
    mocker.put(mocked.ANY, json=airflow.put)
    keep(comment)
    assert len(airflow.events) == 1
    assert airflow.states == {"/api/v2/assets/6/state-store/event/comment/1": "usedesk_default"}


def test_an_airflow_without_a_state_store_gets_each_event_once(mocker, keep):
    airflow = Airflow(mocker, states=False)
    keep(report())
    keep(report())
    assert len(airflow.events) == 1
    assert airflow.states == {}


def test_the_events_that_are_known_are_not_more_and_more(mocker, keep, monkeypatch):
    monkeypatch.setattr(rest, "MAX_REGISTERED", 2)
    airflow = Airflow(mocker, states=False)
    for comment_id in (1, 2, 3, 2, 3, 1):
        keep(report(comment_id=comment_id))
    assert [event["extra"]["comment_id"] for event in airflow.events] == [1, 2, 3, 1]


def test_what_no_dag_names_is_accepted_and_told(mocker, keep, caplog):
    airflow = Airflow(mocker)
    with caplog.at_level("INFO"):
        keep(read_event({"ticket": {"id": 1}}))
    assert airflow.events == []
    assert "no Dag and no task names the asset usedesk://usedesk_default/ticket" in caplog.text


def test_an_address_that_redirects_does_not_pass_for_one_that_stored(mocker, keep):
    airflow = Airflow(mocker)
    mocker.post(f"{ASSETS}/events", status_code=302, headers={"Location": f"{ASSETS}/other"})
    mocker.get(f"{ASSETS}/other", json={"asset_events": []})
    with pytest.raises(requests.TooManyRedirects):
        keep(report())
    assert airflow.events == []


def test_a_token_that_has_expired_is_asked_for_again(mocker):
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


def test_a_refusal_names_no_token_and_no_password(mocker):
    mocker.post(f"{URL}/auth/token", status_code=401)
    with pytest.raises(AirflowRefused) as refused:
        AirflowApi(URL, username="receiver", password="p4ssword").check()
    assert str(refused.value) == "Airflow gave no token (HTTP 401)."


def test_a_netrc_does_not_take_the_place_of_the_token(mocker, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine airflow.example login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    mocker.get(ASSETS, json={"assets": []})
    AirflowApi(URL, token="t0ken").asset_id(URI)
    assert mocker.last_request.headers["Authorization"] == "Bearer t0ken"

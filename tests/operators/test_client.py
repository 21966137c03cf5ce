"""Operators that create and update clients, in runs of Dags and in single attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import requests

from airflow_provider_usedesk.api.client_card import CREATE_CLIENT, UPDATE_CLIENT
from airflow_provider_usedesk.compat.sdk import AirflowFailException
from airflow_provider_usedesk.operators.client import CreateClientOperator, UpdateClientOperator
from tests.support.airflow import TOKEN, URL
from tests.support.operators import dag, pushed, run_attempt

ANNA = {"name": "Anna Smith", "emails": ["anna@example.org"], "phone": "79123456789"}


def create(**arguments) -> str:
    return f"CreateClientOperator(**{ {'task_id': 'create', **ANNA, **arguments}!r})"


def retried(body: str) -> str:
    return with_import(dag(body, "default_args={'retries': 1, 'retry_delay': 0.1}"))


def with_import(text: str) -> str:
    module = "airflow_provider_usedesk.operators.client"
    return f"from {module} import CreateClientOperator, UpdateClientOperator\n{text}"


@pytest.fixture
def clients(usedesk):
    """Clients are created with the id 5; the account has those of ``clients.rows``."""
    usedesk.rows = []
    usedesk.post(f"{URL}/create/client", json={"status": True, "client_id": 5})
    usedesk.post(f"{URL}/update/client", json={"status": True, "client_id": 5})
    usedesk.post(f"{URL}/clients", json=lambda request, context: [row for row, _ in usedesk.rows])
    usedesk.post(
        f"{URL}/client",
        json=lambda request, context: [
            {"client": {**row, "created_at": f"{created:%Y-%m-%d %H:%M:%S}"}}
            for row, created in usedesk.rows
            if row["id"] == request.json()["client_id"]
        ],
    )
    return usedesk


def asked(usedesk, method):
    sent = [one.json() for one in usedesk.request_history if one.url == f"{URL}/{method}"]
    return [{name: value for name, value in one.items() if name != "api_token"} for one in sent]


def known(number, created=None, **more):
    return {"id": number, "emails": "anna@example.org", "phone": None, **more}, created or datetime.now(UTC)


class TestCreate:
    def test_client_is_created(self, run_dag, clients):
        run = run_dag(
            with_import(
                dag(
                    create(
                        name="{{ 'Anna' }} Smith",
                        messengers=[{"identity": "{{ 'anna' }}", "type": "telegram"}],
                        status_vip="{{ true }}",
                    )
                )
            )
        )
        assert run.state == "success"
        assert asked(clients, "create/client") == [
            {**ANNA, "messengers": [{"identity": "anna", "type": "telegram"}], "status_vip": True}
        ]
        assert asked(clients, "clients") == []
        assert pushed(run, "create") == {"return_value": 5}

    def test_template_fields_cover_the_method(self):
        others = {"usedesk_conn_id", "message_key"}
        assert set(CreateClientOperator.template_fields) == CREATE_CLIENT.arguments | others

    def test_personal_values_are_not_stored(self, run_dag, clients, left_behind):
        secret = "{{ 'Qwerty' }}{{ 'uiop' }}"
        given = {
            "name": secret,
            "emails": ["{{ 'qwerty' }}{{ 'uiop@example.org' }}"],
            "note": secret,
            "position": secret,
            "messengers": [{"identity": secret, "type": "telegram"}],
            "sites": [{"url": secret}],
            "client_city": secret,
        }
        run = run_dag(with_import(dag(create(**given))))
        assert run.state == "success"
        rendered = run.rendered["create", -1]
        assert {rendered[name] for name in (*given, "phone")} == {"***"}
        for value in (TOKEN.encode(), b"Qwertyuiop", b"qwertyuiop@example.org"):
            assert value not in left_behind(run)

    def test_all_invalid_arguments_are_named(self, clients):
        with pytest.raises(AirflowFailException, match=r"phone: .*\n *merge_id: "):
            run_attempt(CreateClientOperator, name="Anna", phone="12", merge_id="{{ 'x' }}")
        assert clients.sent() == []

    def test_refusal_is_not_retried(self, run_dag, clients):
        clients.post(f"{URL}/create/client", json={"error": {"phone": ["wrong format"]}}, status_code=422)
        run = run_dag(retried(create()))
        assert run.state == "failed"
        assert len(asked(clients, "create/client")) == 1
        assert "phone: wrong format" in run.printed


class TestFindExisting:
    @pytest.mark.parametrize(
        ("by", "row"), [("email", {}), ("phone", {"emails": None, "phone": "79120000000,79123456789"})]
    )
    def test_known_client_is_returned(self, run_dag, clients, by, row):
        clients.rows = [known(9, **row), known(7, **row)]
        run = run_dag(with_import(dag(create(find_existing=by))))
        assert pushed(run, "create") == {"return_value": 7}
        assert asked(clients, "create/client") == []
        query = "anna@example.org" if by == "email" else "79123456789"
        assert asked(clients, "clients") == [{"query": query, "search_type": "full_match", "offset": 0}]

    def test_unknown_client_is_created(self, run_dag, clients):
        clients.rows = [known(7, emails="another.anna@example.org")]
        run = run_dag(with_import(dag(create(find_existing="email"))))
        assert pushed(run, "create") == {"return_value": 5}

    def test_other_word_is_an_error_of_the_dag(self):
        with pytest.raises(Exception, match="find_existing: must be one of email, phone"):
            CreateClientOperator(task_id="create", name="Anna", find_existing="name")

    @pytest.mark.parametrize(("by", "missing"), [("email", "emails"), ("phone", "phone")])
    def test_its_argument_is_required(self, clients, by, missing):
        with pytest.raises(AirflowFailException, match=f"{missing}: is required with find_existing='{by}'"):
            run_attempt(CreateClientOperator, **{**ANNA, missing: None}, find_existing=by)
        assert clients.sent() == []


LOST = {"exc": requests.ReadTimeout("no response")}


class TestLostResponse:
    def test_retry_finds_the_client(self, run_dag, clients):
        clients.post(f"{URL}/create/client", [LOST])
        clients.rows = [known(4, datetime.now(UTC) - timedelta(days=9)), known(8)]
        run = run_dag(retried(create()))
        assert run.state == "success"
        assert len(asked(clients, "create/client")) == 1
        assert pushed(run, "create") == {"return_value": 8}

    def test_client_without_contacts_is_ambiguous(self, run_dag, clients):
        clients.post(f"{URL}/create/client", [LOST])
        run = run_dag(retried(create(emails=None, phone=None)))
        assert run.state == "failed"
        assert len(asked(clients, "create/client")) == 1
        assert "on_unknown_outcome='send'" in run.printed

    def test_send_creates_again(self, run_dag, clients):
        clients.post(f"{URL}/create/client", [LOST, {"json": {"status": True, "client_id": 6}}])
        run = run_dag(retried(create(on_unknown_outcome="send")))
        assert pushed(run, "create") == {"return_value": 6}
        assert asked(clients, "clients") == []


class TestUpdate:
    def test_client_is_updated(self, run_dag, clients):
        body = """
created = CreateClientOperator(task_id="create", name="Anna")
UpdateClientOperator(
    task_id="update",
    client_id=created.output,
    note="Owes {{ 3 }}",
    is_new_note=True,
    sites=[{"id": 7, "url": ""}],
)
"""
        run = run_dag(with_import(dag(body)))
        assert run.state == "success"
        assert asked(clients, "update/client") == [
            {"client_id": 5, "note": "Owes 3", "is_new_note": True, "sites": [{"id": 7, "url": ""}]}
        ]
        assert pushed(run, "update") == {"return_value": 5}
        assert run.rendered["update", -1]["note"] == "***"

    def test_template_fields_cover_the_method(self):
        assert set(UpdateClientOperator.template_fields) == UPDATE_CLIENT.arguments | {"usedesk_conn_id"}

    def test_update_is_repeated_after_lost_response(self, run_dag, clients):
        clients.post(f"{URL}/update/client", [LOST, {"json": {"status": True, "client_id": 5}}])
        run = run_dag(retried("UpdateClientOperator(task_id='update', client_id=5, position='Director')"))
        assert run.state == "success"
        assert len(asked(clients, "update/client")) == 2

    def test_empty_client_id_fails(self, clients):
        with pytest.raises(AirflowFailException, match="client_id: "):
            run_attempt(UpdateClientOperator, client_id="{{ ti.xcom_pull('none') }}", name="Anna")
        assert clients.sent() == []

"""The delivery sensor: by reports that are stored in Airflow, and by the ticket itself."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from datetime import UTC, datetime, timedelta

import pytest
from airflow.exceptions import AirflowRescheduleException
from sqlalchemy import select

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.assets import usedesk_asset
from airflow_provider_usedesk.compat import inlets
from airflow_provider_usedesk.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow_provider_usedesk.compat.version import (
    HAS_ASSET_EVENTS_IN_TASKS,
    HAS_STATE_STORES,
    HAS_WORKING_ASSET_INLETS,
)
from airflow_provider_usedesk.delivery import report_store
from airflow_provider_usedesk.sensors.message import MessageDeliverySensor
from airflow_provider_usedesk.triggers.message import MessageDeliveryTrigger
from tests.support import dags
from tests.support.airflow import TOKEN
from tests.support.delivery import DELIVERED, FAILED, MESSAGE, NOT_FOUND, SENT, TICKET, ticket_with
from tests.support.operators import attempt_context

DAG = """
from datetime import datetime

from tests.support.dags import DAG

from airflow_provider_usedesk.sensors.message import MessageDeliverySensor

with DAG("waits", start_date=datetime(2026, 1, 1), schedule=None) as dag:
    MessageDeliverySensor(task_id="wait", ticket_id="{{{{ 77 }}}}", {options})
"""


MAPPED_DAG = DAG.replace(
    'Sensor(task_id="wait", ticket_id="{{{{ 77 }}}}", {options})',
    'Sensor.partial(task_id="wait", {options}).expand(ticket_id=[77, 78])',
)


def sensor(**options):
    defaults = {"task_id": "t", "ticket_id": TICKET, "poke_interval": 0, "timeout": 20, "source": "poll"}
    return MessageDeliverySensor(**{**defaults, **options})


@pytest.fixture
def context():
    return attempt_context()


class TestPollSource:
    def test_returns_ids_and_status(self, run_dag, ticket_responses):
        requests = ticket_responses(DELIVERED)
        run = run_dag(DAG.format(options="source='poll'"))
        assert run.state == "success"
        assert run.xcoms["wait", -1]["return_value"] == {
            "ticket_id": TICKET,
            "comment_id": MESSAGE,
            "status": "delivered",
        }
        assert requests() == 1

    def test_pokes_until_delivered(self, ticket_responses, context):
        requests = ticket_responses(SENT, SENT, DELIVERED)
        assert sensor().execute(context)["status"] == "delivered"
        assert requests() == 3

    def test_error_comment_fails_at_once(self, run_dag, ticket_responses):
        ticket_responses(FAILED)
        run = run_dag(DAG.format(options="source='poll', retries=3"))
        assert run.state == "failed"
        assert "was not delivered: error" in run.printed
        assert run.xcoms["wait", -1]["message_status"] == "not delivered"

    def test_comment_id_selects_the_message(self, ticket_responses, context):
        first = {"delivered": 1}
        requests = ticket_responses(
            ticket_with(first, {"id": 503}), ticket_with(first, {"id": 503, "readed": 1})
        )
        assert sensor(comment_id="503").execute(context) == {
            "ticket_id": TICKET,
            "comment_id": 503,
            "status": "read",
        }
        assert requests() == 2

    def test_error_before_the_message_does_not_count(self, ticket_responses, context):
        before = [{"id": 490, "from": "client"}, {"id": 491, "from": "trigger", "type": "error"}]
        requests = ticket_responses(ticket_with(*before, {}), ticket_with(*before, {"delivered": 1}))
        assert sensor(comment_id=MESSAGE).execute(context)["status"] == "delivered"
        assert requests() == 2

    def test_waits_for_reading_after_delivery(self, ticket_responses, context):
        requests = ticket_responses(DELIVERED, ticket_with({"delivered": 1, "readed": 1}))
        assert sensor(delivered_statuses="read, seen").execute(context)["status"] == "read"
        assert requests() == 2

    @pytest.mark.skipif(not HAS_ASSET_EVENTS_IN_TASKS, reason="Airflow 2 needs a database for that")
    def test_reschedule_mode_polls_once_per_run(self, ticket_responses, context):
        ticket_responses(SENT, DELIVERED)
        context["ti"].get_first_reschedule_date = lambda _: None
        with pytest.raises(AirflowRescheduleException):
            sensor(mode="reschedule").execute(context)
        assert sensor(mode="reschedule").execute(context)["status"] == "delivered"

    @pytest.mark.skipif(not HAS_ASSET_EVENTS_IN_TASKS, reason="Airflow 2 needs a database for that")
    @pytest.mark.parametrize(
        ("max_failures", "error"), [(1, errors.UsedeskUnavailable), (2, AirflowRescheduleException)]
    )
    def test_reschedule_mode_counts_no_failures(
        self, ticket_responses, context, no_client_retries, max_failures, error
    ):
        ticket_responses(502)
        context["ti"].get_first_reschedule_date = lambda _: None
        for _ in range(3):
            with pytest.raises(error):
                sensor(mode="reschedule", max_failures=max_failures).execute(context)

    def test_missing_ticket_is_a_failed_poll(self, ticket_responses, context, no_client_retries):
        ticket_responses(NOT_FOUND, 502, DELIVERED)
        assert sensor(max_failures=3).execute(context)["status"] == "delivered"

    def test_too_many_failed_polls_raise_the_error(self, ticket_responses, context):
        requests = ticket_responses(NOT_FOUND)
        with pytest.raises(errors.UsedeskTicketNotFound):
            sensor(max_failures=3).execute(context)
        assert requests() == 3

    def test_invalid_token_is_not_retried(self, ticket_responses, context):
        ticket_responses({"code": 112, "error": "no"})
        with pytest.raises(AirflowFailException, match="UsedeskInvalidToken"):
            sensor().execute(context)

    @pytest.mark.parametrize("deferrable", [False, True])
    def test_soft_fail_skips(self, ticket_responses, context, deferrable):
        ticket_responses(FAILED)
        with pytest.raises(AirflowSkipException):
            sensor(deferrable=deferrable, soft_fail=True).execute(context)

    def test_invalid_arguments_send_no_request(self, ticket_responses, context):
        requests = ticket_responses(DELIVERED)
        bad = sensor(ticket_id="{{ ticket }}", delivered_statuses="{{ words }}")
        # As Airflow renders them.
        bad.ticket_id, bad.delivered_statuses = "x", ""
        with pytest.raises(AirflowFailException, match=r"(?s)ticket_id: .*delivered_statuses: "):
            bad.execute(context)
        assert requests() == 0

    def test_timeout(self, ticket_responses, context):
        ticket_responses(SENT)
        with pytest.raises(AirflowSensorTimeout):
            sensor(timeout=0).execute(context)


class TestSource:
    def test_auto_polls_without_webhook_secret(self, ticket_responses, context, stored_reports):
        ticket_responses(DELIVERED)
        stored_reports(AssertionError("for the test"))
        assert sensor(source="auto").execute(context)["status"] == "delivered"

    def test_auto_reads_reports_and_ticket(
        self, ticket_responses, context, stored_reports, webhook_connection
    ):
        requests = ticket_responses(SENT, DELIVERED)
        stored_reports([])
        assert sensor(source="auto").execute(context)["status"] == "delivered"
        assert requests() == 2

    def test_stored_report_saves_the_request(
        self, ticket_responses, context, stored_reports, webhook_connection
    ):
        requests = ticket_responses(SENT)
        stored_reports(["SENT", "DELIVERED"])
        assert sensor(source="auto").execute(context)["status"] == "DELIVERED"
        assert requests() == 0

    def test_delivered_ticket_outweighs_a_failed_report(
        self, ticket_responses, context, stored_reports, webhook_connection
    ):
        requests = ticket_responses(DELIVERED)
        stored_reports(["UNDELIVERED"])
        assert sensor(source="auto").execute(context)["status"] == "delivered"
        assert requests() == 1

    def test_failed_report_fails_if_the_ticket_says_no_more(
        self, ticket_responses, context, stored_reports, webhook_connection
    ):
        requests = ticket_responses(SENT)
        stored_reports(["UNDELIVERED"])
        with pytest.raises(AirflowFailException, match="was not delivered: UNDELIVERED"):
            sensor(source="auto").execute(context)
        assert requests() == 1

    def test_unreadable_ticket_is_a_failed_poll_after_a_failed_report(
        self, ticket_responses, context, stored_reports, webhook_connection, no_client_retries
    ):
        ticket_responses(502, NOT_FOUND, DELIVERED)
        stored_reports(["UNDELIVERED"])
        assert sensor(source="auto", max_failures=3).execute(context)["status"] == "delivered"

    def test_failed_report_alone_decides_with_webhook(self, ticket_responses, context, stored_reports):
        requests = ticket_responses(DELIVERED)
        stored_reports(["UNDELIVERED"])
        with pytest.raises(AirflowFailException, match="was not delivered: UNDELIVERED"):
            sensor(source="webhook").execute(context)
        assert requests() == 0

    def test_webhook_source_reads_no_ticket(self, ticket_responses, context, stored_reports):
        requests = ticket_responses(DELIVERED)
        stored_reports([], ["SENT"], ["SENT", "READ"])
        assert sensor(source="webhook").execute(context)["status"] == "READ"
        assert requests() == 0

    def test_reports_before_the_message_do_not_count(self, context, stored_reports, usedesk):
        # The support stores reports without a time, which are taken for old ones.
        stored_reports(["DELIVERED"])
        waiting = sensor(source="webhook", timeout=0, sent_after="2026-11-24 12:00:00+00:00")
        with pytest.raises(AirflowSensorTimeout):
            waiting.execute(context)

    @pytest.mark.parametrize("value", ["yesterday", "2026-11-24 12:00:00", 5, ""])
    def test_moment_needs_a_time_zone(self, context, value, usedesk):
        waiting = sensor(sent_after="{{ moment }}")
        waiting.sent_after = value
        with pytest.raises(AirflowFailException, match="sent_after: must be a datetime or ISO 8601"):
            waiting.execute(context)

    def test_unknown_word_is_logged_once(self, context, stored_reports, usedesk, caplog):
        caplog.set_level("INFO")
        stored_reports(["HANDED OVER"], ["HANDED OVER"], ["HANDED OVER", "DELIVERED"])
        sensor(source="webhook").execute(context)
        assert caplog.text.count("'HANDED OVER'") == 1

    def test_unavailable_reports_are_a_failed_poll(self, context, stored_reports, usedesk):
        stored_reports(errors.UsedeskUnavailable("out of order"), ["DELIVERED"])
        assert sensor(source="webhook").execute(context)["status"] == "DELIVERED"

    def test_auto_polls_when_reports_are_unavailable(
        self, context, ticket_responses, stored_reports, webhook_connection
    ):
        ticket_responses(DELIVERED)
        stored_reports(errors.UsedeskUnavailable("out of order"))
        assert sensor(source="auto", max_failures=1).execute(context)["status"] == "delivered"

    @pytest.mark.skipif(HAS_ASSET_EVENTS_IN_TASKS, reason="Airflow 3 can")
    def test_webhook_source_needs_airflow_3(self, context, usedesk):
        with pytest.raises(AirflowFailException, match="source: webhook needs Airflow 3.0 or newer"):
            sensor(source="webhook").execute(context)

    @pytest.mark.skipif(HAS_ASSET_EVENTS_IN_TASKS, reason="Airflow 3 reads stored reports")
    def test_auto_polls_before_airflow_3(self, context, ticket_responses, webhook_connection):
        ticket_responses(DELIVERED)
        assert sensor(source="auto").execute(context)["status"] == "delivered"


class TestInlets:
    @pytest.mark.parametrize(
        ("options", "is_inlet"),
        [
            ({"source": "auto"}, HAS_WORKING_ASSET_INLETS),
            ({"source": "webhook", "usedesk_conn_id": "other one"}, HAS_WORKING_ASSET_INLETS),
            ({"source": "poll"}, False),
            ({"source": "webhook", "usedesk_conn_id": "{{ params.account }}"}, False),
        ],
        ids=["auto", "webhook", "poll", "template"],
    )
    def test_delivery_asset_is_an_inlet(self, options, is_inlet):
        conn_id = "other%20one" if "usedesk_conn_id" in options else "usedesk_default"
        uris = [asset.uri for asset in sensor(**options).inlets]
        assert uris == ([f"usedesk://{conn_id}/delivery"] if is_inlet else [])

    @pytest.mark.skipif(not HAS_WORKING_ASSET_INLETS, reason="before, there are no such inlets")
    @pytest.mark.parametrize(
        ("options", "uris"),
        [
            ({}, ["usedesk://usedesk_default/delivery"]),
            ({"usedesk_conn_id": "other"}, ["usedesk://other/delivery"]),
            ({"default_args": {"usedesk_conn_id": "other"}}, ["usedesk://other/delivery"]),
            ({"source": "poll"}, []),
            ({"usedesk_conn_id": "{{ params.account }}"}, []),
            (
                {"inlets": usedesk_asset("o", "chat")},
                ["usedesk://o/chat", "usedesk://usedesk_default/delivery"],
            ),
        ],
        ids=["default", "connection", "default_args", "poll", "template", "inlets"],
    )
    def test_mapped_task_has_the_inlet(self, options, uris):
        options = dict(options)
        with dags.DAG("mapped", schedule=None, default_args=options.pop("default_args", {})):
            mapped = MessageDeliverySensor.partial(task_id="wait", **options).expand(ticket_id=[TICKET])
        assert [asset.uri for asset in mapped.inlets] == uris
        unmapped = mapped.unmap({"ticket_id": TICKET})
        assert [asset.uri for asset in unmapped.inlets] == uris

    def test_airflow_3_0_gets_no_inlet(self, monkeypatch):
        """Its scheduler takes an asset that is an inlet only for unused, and fails the task."""
        monkeypatch.setattr(inlets, "HAS_WORKING_ASSET_INLETS", False)
        assert sensor(source="webhook").inlets == []


@pytest.mark.skipif(not HAS_STATE_STORES, reason="Airflow has state stores from 3.3 on")
class TestStoredReports:
    """The receiver writes to a real database, the sensor reads through Airflow's own interfaces."""

    OPTIONS = "source='webhook', poke_interval=0.1, timeout=60"

    @pytest.fixture(autouse=True)
    def parsed_dag(self, run_dag, usedesk):
        """A Dag that was parsed once, so that Airflow knows the asset."""
        run_dag(DAG.format(options="source='webhook', timeout=0, soft_fail=True"))

    @pytest.fixture
    def receive(self):
        """Store a report as the webhook receiver does, in Airflow's database."""
        from airflow_provider_usedesk.webhook.events import read_event
        from airflow_provider_usedesk.webhook.metastore import MetastoreStore

        store = MetastoreStore()

        def receive(status, comment_id=MESSAGE, ticket_id=TICKET):
            body = {"delivery_status": status, "comment_id": comment_id, "extras": {"ticket_id": ticket_id}}
            asyncio.run(store.save("usedesk_default", read_event({"message_status": body})))

        yield receive
        from airflow.models.asset_state_store import AssetStateStoreModel
        from airflow.utils.session import create_session

        with create_session() as session:
            session.query(AssetStateStoreModel).delete()

    def test_mapped_task_makes_the_asset_known(self, run_dag, usedesk, monkeypatch):
        from airflow.models.asset import AssetModel
        from airflow.utils.session import create_session

        monkeypatch.setenv("AIRFLOW_CONN_MAPPED", os.environ["AIRFLOW_CONN_USEDESK_DEFAULT"])
        options = "usedesk_conn_id='mapped', source='webhook', timeout=0, soft_fail=True"
        run = run_dag(MAPPED_DAG.format(options=options))
        assert set(run.states.values()) == {"skipped"}
        with create_session() as session:
            uris = session.scalars(select(AssetModel.uri).where(AssetModel.active.has())).all()
        assert "usedesk://mapped/delivery" in uris

    @pytest.mark.parametrize("deferrable", [False, True])
    def test_earlier_report_counts(self, run_dag, usedesk, receive, deferrable):
        receive("SENT")
        receive("DELIVERED")
        run = run_dag(DAG.format(options=f"{self.OPTIONS}, deferrable={deferrable}"))
        assert run.xcoms["wait", -1]["return_value"] == {
            "ticket_id": TICKET,
            "comment_id": MESSAGE,
            "status": "DELIVERED",
        }

    @pytest.mark.parametrize(("word", "state"), [("READ", "success"), ("UNDELIVERED", "failed")])
    @pytest.mark.parametrize("deferrable", [False, True])
    def test_report_during_the_wait_counts(
        self, run_dag, usedesk, receive, monkeypatch, deferrable, word, state
    ):
        name = "aload" if deferrable else "load"
        polled, load = threading.Event(), getattr(report_store.ReportStore, name)

        def load_and_signal(*args):
            polled.set()
            return load(*args)

        monkeypatch.setattr(report_store.ReportStore, name, load_and_signal)

        def report():
            polled.wait(60)
            receive("DELIVERED", ticket_id=TICKET + 1)
            receive(word)

        provider = threading.Thread(target=report)
        provider.start()
        run = run_dag(DAG.format(options=f"{self.OPTIONS}, deferrable={deferrable}"))
        provider.join()
        assert run.state == state

    def test_asset_events_count_before_3_3(self, run_dag, usedesk, receive, monkeypatch):
        receive("DELIVERED", ticket_id=TICKET + 1)
        receive("SEEN")
        monkeypatch.setattr(report_store, "HAS_STATE_STORES", False)
        run = run_dag(DAG.format(options=self.OPTIONS))
        assert run.xcoms["wait", -1]["return_value"]["status"] == "SEEN"


class TestDeferring:
    def test_first_poll_runs_in_the_worker(self, ticket_responses, context):
        ticket_responses(DELIVERED)
        assert sensor(deferrable=True).execute(context)["status"] == "delivered"

    @pytest.mark.parametrize(("source", "in_triggerer"), [("poll", "poll"), ("auto", "webhook")])
    def test_trigger_survives_serialization(
        self, ticket_responses, context, stored_reports, webhook_connection, source, in_triggerer
    ):
        ticket_responses(NOT_FOUND)
        stored_reports(["SENT"])
        before = datetime.now(UTC)
        with pytest.raises(TaskDeferred) as deferred:
            sensor(
                deferrable=True, source=source, timeout=3600, poke_interval=30, failed_statuses="Gone, Lost"
            ).execute(context)
        path, arguments = deferred.value.trigger.serialize()
        assert path == "airflow_provider_usedesk.triggers.message.MessageDeliveryTrigger"
        stored = json.loads(json.dumps(arguments))
        assert MessageDeliveryTrigger(**stored).serialize() == (path, arguments)
        assert (stored["source"], stored["failed_statuses"]) == (in_triggerer, ["gone", "lost"])
        deadline = datetime.fromisoformat(stored["deadline"])
        assert before + timedelta(hours=1) <= deadline <= datetime.now(UTC) + timedelta(hours=1)
        assert deferred.value.timeout > timedelta(hours=1)
        assert TOKEN not in str(stored)

    def test_deferred_dag_run(self, run_dag, ticket_responses):
        ticket_responses(SENT, SENT, DELIVERED)
        run = run_dag(DAG.format(options="source='poll', deferrable=True, poke_interval=0.1, timeout=60"))
        assert run.xcoms["wait", -1]["return_value"]["status"] == "delivered"


class TestResuming:
    def resume(self, sensor=None, /, **event):
        sensor = sensor or self.sensor()
        return sensor.execute_complete(attempt_context(), event={"ticket_id": TICKET, **event})

    def sensor(self, **options):
        return sensor(deferrable=True, **options)

    def test_returns_ids_and_status(self):
        outcome = self.resume(outcome="done", status="DELIVERED", comment_id=MESSAGE)
        assert outcome == {"ticket_id": TICKET, "comment_id": MESSAGE, "status": "DELIVERED"}

    def test_failed(self):
        context, event = attempt_context(), {"outcome": "done", "status": "UNDELIVERED", "comment_id": None}
        with pytest.raises(AirflowFailException, match="was not delivered: UNDELIVERED"):
            self.sensor().execute_complete(context, event={"ticket_id": TICKET, **event})
        assert context["ti"].pushed == {"message_status": "not delivered"}

    @pytest.fixture
    def undelivered(self, stored_reports, webhook_connection):
        """Resume a sensor whose trigger has read a failed report."""
        stored_reports(["UNDELIVERED"])
        return lambda source: self.resume(
            self.sensor(source=source, max_failures=1),
            outcome="done",
            status="UNDELIVERED",
            comment_id=MESSAGE,
        )

    def test_delivered_ticket_outweighs_a_failed_report(self, ticket_responses, undelivered):
        requests = ticket_responses(DELIVERED)
        assert undelivered("auto")["status"] == "delivered"
        assert requests() == 1

    def test_failed_report_fails_if_the_ticket_says_no_more(self, ticket_responses, undelivered):
        ticket_responses(SENT)
        with pytest.raises(AirflowFailException, match="was not delivered: UNDELIVERED"):
            undelivered("auto")

    def test_failed_report_is_not_confirmed_by_an_unreadable_ticket(
        self, ticket_responses, undelivered, no_client_retries
    ):
        ticket_responses(502)
        with pytest.raises(errors.UsedeskUnavailable):
            undelivered("auto")

    def test_failed_report_decides_if_the_ticket_is_deleted(self, ticket_responses, undelivered):
        ticket_responses(NOT_FOUND)
        with pytest.raises(AirflowFailException, match="was not delivered: UNDELIVERED"):
            undelivered("auto")

    @pytest.mark.parametrize("source", ["webhook", "poll"])
    def test_the_only_source_decides(self, ticket_responses, undelivered, source):
        requests = ticket_responses(DELIVERED)
        with pytest.raises(AirflowFailException, match="was not delivered: UNDELIVERED"):
            undelivered(source)
        assert requests() == 0

    def test_timeout(self, ticket_responses):
        ticket_responses(SENT)
        with pytest.raises(AirflowSensorTimeout, match="message of ticket 77"):
            self.resume(outcome="timeout")

    def test_timeout_polls_once_more(self, ticket_responses):
        ticket_responses(DELIVERED)
        assert self.resume(outcome="timeout")["status"] == "delivered"

    def test_timeout_polls_the_ticket_with_auto(self, ticket_responses, stored_reports, webhook_connection):
        ticket_responses(FAILED)
        stored_reports(["SENT"])
        with pytest.raises(AirflowFailException):
            self.resume(self.sensor(source="auto"), outcome="timeout")

    @pytest.mark.parametrize(
        "response", [502, NOT_FOUND, {"code": 112, "error": "no"}], ids=["html", "missing", "token"]
    )
    @pytest.mark.parametrize("max_failures", [1, 10])
    def test_error_after_timeout_is_a_timeout(
        self, ticket_responses, no_client_retries, response, max_failures
    ):
        ticket_responses(response)
        with pytest.raises(AirflowSensorTimeout):
            self.resume(self.sensor(max_failures=max_failures), outcome="timeout")

    @pytest.mark.parametrize(
        "event",
        [
            {"outcome": "error", "error": "UsedeskUnavailable", "message": "out of order"},
            {"outcome": "timeout"},
            {"outcome": "done", "status": "FAILED"},
        ],
        ids=["error", "timeout", "failed"],
    )
    def test_never_fail_skips(self, ticket_responses, event):
        ticket_responses(SENT)
        with pytest.raises(AirflowSkipException):
            self.sensor(never_fail=True).resume_execution(
                "execute_complete", {"event": {"ticket_id": TICKET, **event}}, attempt_context()
            )

    def test_error_keeps_its_class(self, connection):
        with pytest.raises(errors.UsedeskUnavailable, match="out of order"):
            self.resume(outcome="error", error="UsedeskUnavailable", message="out of order")

    def test_invalid_token_is_not_retried(self, connection):
        with pytest.raises(AirflowFailException, match="UsedeskInvalidToken: no"):
            self.resume(outcome="error", error="UsedeskInvalidToken", message="no")

    @pytest.mark.parametrize(
        "event",
        [
            None,
            "DELIVERED",
            {},
            {"outcome": "done"},
            {"outcome": "done", "status": 5},
            {"outcome": "done", "status": "SENT", "comment_id": MESSAGE},
            {"outcome": "done", "status": "DELIVERED", "ticket_id": 1},
            {"outcome": "error", "error": "Sequence"},
        ],
        ids=["none", "text", "empty", "no status", "number", "undecided", "other ticket", "no error class"],
    )
    def test_unexpected_event_fails(self, connection, event):
        if isinstance(event, dict):
            event = {"ticket_id": TICKET, **event}
        with pytest.raises((AirflowException, errors.UsedeskError), match=r"does not belong|None"):
            self.sensor().execute_complete(attempt_context(), event=event)

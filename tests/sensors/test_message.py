"""Waiting for a message: by the reports that Airflow remembers, and by the ticket itself."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

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
from airflow_provider_usedesk.delivery.decision import default_message
from airflow_provider_usedesk.delivery.reports import DeliveryReport
from airflow_provider_usedesk.delivery.waiter import DeliveryWait
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.sensors.message import MessageDeliverySensor
from airflow_provider_usedesk.triggers.message import MessageDeliveryTrigger
from tests.support import dags
from tests.support.airflow import TOKEN, URL

# Airflow masks it from then on, so it must be part of nothing else.
WEBHOOK_SECRET = "webhook-secret-of-this-test"

TICKET, MESSAGE = 77, 501
NOT_FOUND = {"code": 113, "error": "no such ticket"}

with_memory = pytest.mark.skipif(not HAS_STATE_STORES, reason="Airflow remembers reports from 3.3 on")

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


def shown(*comments):
    """Answer as ``ticket`` does."""
    defaults = {"id": MESSAGE, "from": "user", "type": "public", "delivered": 0, "readed": 0}
    return {
        "ticket": {"id": TICKET, "status_id": 1},
        "comments": [{**defaults, **comment} for comment in comments or ({},)],
    }


DELIVERED = shown({"delivered": 1})
FAILED = shown({}, {"id": 502, "from": "trigger", "type": "error"})


def sensor(**options):
    usual = {"task_id": "t", "ticket_id": TICKET, "poke_interval": 0, "timeout": 20, "source": "poll"}
    return MessageDeliverySensor(**{**usual, **options})


@pytest.fixture
def ticket(usedesk):
    """Answer reads of the ticket one after the other; the last answer stays."""

    def ticket(*answers):
        responses = [
            {"json": one} if isinstance(one, dict) else {"status_code": 502, "text": "<html>"}
            for one in answers
        ]
        usedesk.post(f"{URL}/ticket", responses)
        return lambda: sum(one.url == f"{URL}/ticket" for one in usedesk.request_history)

    return ticket


@pytest.fixture
def with_secret(monkeypatch, connection):
    """A connection for which webhooks are received."""
    value = {
        "conn_type": "usedesk",
        "host": URL,
        "password": TOKEN,
        "extra": {"webhook_secret": WEBHOOK_SECRET},
    }
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", json.dumps(value))


@pytest.fixture
def quick(monkeypatch, connection):
    """The client itself repeats nothing, so that each failure is one failed look."""
    value = {"conn_type": "usedesk", "host": URL, "password": TOKEN, "extra": {"max_wait": 0}}
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", json.dumps(value))


@pytest.fixture
def context():
    class TaskInstance:
        def xcom_push(self, key, value): ...

    return {"ti": TaskInstance()}


@pytest.fixture
def read_reports(monkeypatch):
    """A memory in place of Airflow's: each look sees the next of these, the last stays."""

    def read_reports(*looks):
        looks = list(looks)

        def look(store, ticket_id):
            assert (store._asset.uri, ticket_id) == ("usedesk://usedesk_default/delivery", TICKET)
            words = looks.pop(0) if len(looks) > 1 else looks[0]
            if isinstance(words, Exception):
                raise words
            return tuple(DeliveryReport(word, MESSAGE, "") for word in words)

        async def alook(store, ticket_id):
            return look(store, ticket_id)

        monkeypatch.setattr(report_store, "why_unavailable", lambda in_triggerer: None)
        monkeypatch.setattr(report_store.ReportStore, "load", look)
        monkeypatch.setattr(report_store.ReportStore, "aload", alook)
        return looks

    return read_reports


@pytest.fixture
def receive():
    """Take a report as the receiver of webhooks does, which writes to Airflow's database."""
    from airflow_provider_usedesk.webhook.events import read_event
    from airflow_provider_usedesk.webhook.metastore import MetastoreStore

    store = MetastoreStore()

    def receive(status, comment_id=MESSAGE, ticket_id=TICKET):
        told = {"delivery_status": status, "comment_id": comment_id, "extras": {"ticket_id": ticket_id}}
        asyncio.run(store.save("usedesk_default", read_event({"message_status": told})))

    yield receive
    from airflow.models.asset_state_store import AssetStateStoreModel
    from airflow.utils.session import create_session

    with create_session() as session:
        session.query(AssetStateStoreModel).delete()


class TestByTheTicket:
    def test_returns_ids_and_the_word_only(self, run_dag, ticket):
        requests = ticket(DELIVERED)
        run = run_dag(DAG.format(options="source='poll'"))
        assert run.state == "success"
        assert run.xcoms["wait", -1]["return_value"] == {
            "ticket_id": TICKET,
            "comment_id": MESSAGE,
            "status": "delivered",
        }
        assert requests() == 1

    def test_pokes_until_it_is_delivered(self, ticket, context):
        requests = ticket(shown(), shown(), DELIVERED)
        assert sensor().execute(context)["status"] == "delivered"
        assert requests() == 3

    def test_fails_at_once_on_an_error_behind_it(self, run_dag, ticket):
        ticket(FAILED)
        run = run_dag(DAG.format(options="source='poll', retries=3"))
        assert run.state == "failed"
        assert "was not delivered: error" in run.printed

    def test_of_several_messages_the_named_one_counts(self, ticket, context):
        requests = ticket(
            shown({"delivered": 1}, {"id": 503}), shown({"delivered": 1}, {"id": 503, "readed": 1})
        )
        assert sensor(comment_id="503").execute(context) == {
            "ticket_id": TICKET,
            "comment_id": 503,
            "status": "read",
        }
        assert requests() == 2

    def test_who_waits_for_reading_waits_on_after_the_delivery(self, ticket, context):
        requests = ticket(DELIVERED, shown({"delivered": 1, "readed": 1}))
        assert sensor(delivered_statuses="read, seen").execute(context)["status"] == "read"
        assert requests() == 2

    @pytest.mark.skipif(not HAS_ASSET_EVENTS_IN_TASKS, reason="Airflow 2 needs a database for that")
    def test_in_reschedule_mode_each_look_is_a_run_of_its_own(self, ticket, context):
        ticket(shown(), DELIVERED)
        context["ti"].get_first_reschedule_date = lambda _: None
        with pytest.raises(AirflowRescheduleException):
            sensor(mode="reschedule").execute(context)
        assert sensor(mode="reschedule").execute(context)["status"] == "delivered"

    def test_a_ticket_that_is_not_shown_yet_is_a_failed_look(self, ticket, context):
        ticket(NOT_FOUND, 502, DELIVERED)
        assert sensor(max_failures=3).execute(context)["status"] == "delivered"

    def test_too_many_failed_looks_are_the_error_itself(self, ticket, context):
        requests = ticket(NOT_FOUND)
        with pytest.raises(errors.UsedeskTicketNotFound):
            sensor(max_failures=3).execute(context)
        assert requests() == 3

    def test_a_wrong_token_is_not_tried_again(self, ticket, context):
        ticket({"code": 112, "error": "no"})
        with pytest.raises(AirflowFailException, match="UsedeskInvalidToken"):
            sensor().execute(context)

    @pytest.mark.parametrize("deferrable", [False, True])
    def test_soft_fail_skips(self, ticket, context, deferrable):
        ticket(FAILED)
        with pytest.raises(AirflowSkipException):
            sensor(deferrable=deferrable, soft_fail=True).execute(context)

    def test_bad_arguments_are_named_before_any_request(self, ticket, context):
        requests = ticket(DELIVERED)
        bad = sensor(ticket_id="x", source="mail", delivered_statuses=[], max_failures=0)
        with pytest.raises(AirflowFailException, match=r"ticket_id: .*source: .*delivered_.*max_failures: "):
            bad.execute(context)
        assert requests() == 0

    def test_a_timeout_is_a_timeout(self, ticket, context):
        ticket(shown())
        with pytest.raises(AirflowSensorTimeout):
            sensor(timeout=0).execute(context)


class TestSource:
    def test_auto_reads_the_ticket_where_no_webhooks_are_received(self, ticket, context, read_reports):
        ticket(DELIVERED)
        read_reports(AssertionError("for the test"))
        assert sensor(source="auto").execute(context)["status"] == "delivered"

    def test_auto_reads_both_where_they_are(self, ticket, context, read_reports, with_secret):
        requests = ticket(shown(), DELIVERED)
        read_reports([])
        assert sensor(source="auto").execute(context)["status"] == "delivered"
        assert requests() == 2

    def test_a_report_spares_the_request(self, ticket, context, read_reports, with_secret):
        requests = ticket(shown())
        read_reports(["SENT", "DELIVERED"])
        assert sensor(source="auto").execute(context)["status"] == "DELIVERED"
        assert requests() == 0

    def test_webhook_reads_no_ticket(self, ticket, context, read_reports):
        requests = ticket(DELIVERED)
        read_reports([], ["SENT"], ["SENT", "READ"])
        assert sensor(source="webhook").execute(context)["status"] == "READ"
        assert requests() == 0

    def test_a_word_that_nobody_knows_is_logged_once(self, context, read_reports, usedesk, caplog):
        caplog.set_level("INFO")
        read_reports(["HANDED OVER"], ["HANDED OVER"], ["HANDED OVER", "DELIVERED"])
        sensor(source="webhook").execute(context)
        assert caplog.text.count("'HANDED OVER'") == 1

    def test_a_memory_that_cannot_be_asked_is_a_failed_look(self, context, read_reports, usedesk):
        read_reports(errors.UsedeskUnavailable("out of order"), ["DELIVERED"])
        assert sensor(source="webhook").execute(context)["status"] == "DELIVERED"

    def test_auto_reads_the_ticket_where_the_memory_cannot_be_asked(
        self, context, ticket, read_reports, with_secret
    ):
        ticket(DELIVERED)
        read_reports(errors.UsedeskUnavailable("out of order"))
        assert sensor(source="auto", max_failures=1).execute(context)["status"] == "delivered"

    @pytest.mark.skipif(HAS_ASSET_EVENTS_IN_TASKS, reason="Airflow 3 can")
    def test_webhook_is_refused_before_airflow_3(self, context, usedesk):
        with pytest.raises(AirflowFailException, match="source: webhook needs Airflow 3.0 or newer"):
            sensor(source="webhook").execute(context)

    @pytest.mark.skipif(HAS_ASSET_EVENTS_IN_TASKS, reason="Airflow 3 has a memory")
    def test_auto_reads_the_ticket_before_airflow_3(self, context, ticket, with_secret):
        ticket(DELIVERED)
        assert sensor(source="auto").execute(context)["status"] == "delivered"

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ({"source": "auto"}, HAS_WORKING_ASSET_INLETS),
            ({"source": "webhook", "usedesk_conn_id": "other one"}, HAS_WORKING_ASSET_INLETS),
            ({"source": "poll"}, False),
            ({"source": "webhook", "usedesk_conn_id": "{{ params.account }}"}, False),
        ],
    )
    def test_the_asset_with_the_reports_is_an_inlet(self, options, named):
        conn_id = "other%20one" if "usedesk_conn_id" in options else "usedesk_default"
        inlets = [asset.uri for asset in sensor(**options).inlets]
        assert inlets == ([f"usedesk://{conn_id}/delivery"] if named else [])

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
    )
    def test_it_is_one_of_a_mapped_task_too(self, options, uris):
        options = dict(options)
        with dags.DAG("mapped", schedule=None, default_args=options.pop("default_args", {})):
            mapped = MessageDeliverySensor.partial(task_id="wait", **options).expand(ticket_id=[TICKET])
        assert [asset.uri for asset in mapped.inlets] == uris
        unmapped = mapped.unmap({"ticket_id": TICKET})
        assert [asset.uri for asset in unmapped.inlets] == uris

    def test_airflow_3_0_gets_no_inlet_of_which_its_scheduler_thinks_that_nobody_uses_it(self, monkeypatch):
        monkeypatch.setattr(inlets, "HAS_WORKING_ASSET_INLETS", False)
        assert sensor(source="webhook").inlets == []


@with_memory
class TestTheMemoryOfAirflow:
    """The receiver writes to a real database, the sensor reads through Airflow's own ways."""

    OPTIONS = "source='webhook', poke_interval=0.1, timeout=60"

    @pytest.fixture(autouse=True)
    def known(self, run_dag, usedesk):
        """Airflow learns of the asset from a Dag that was parsed."""
        run_dag(DAG.format(options="source='webhook', timeout=0, soft_fail=True"))

    def test_a_mapped_task_makes_it_known(self, run_dag, usedesk, monkeypatch):
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
    def test_a_report_that_came_before_counts(self, run_dag, usedesk, receive, deferrable):
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
    def test_one_that_comes_meanwhile_counts(
        self, run_dag, usedesk, receive, monkeypatch, deferrable, word, state
    ):
        name = "aload" if deferrable else "load"
        looked, read = threading.Event(), getattr(report_store.ReportStore, name)

        def look(*args):
            looked.set()
            return read(*args)

        monkeypatch.setattr(report_store.ReportStore, name, look)

        def report():
            looked.wait(60)
            receive("DELIVERED", ticket_id=TICKET + 1)
            receive(word)

        provider = threading.Thread(target=report)
        provider.start()
        run = run_dag(DAG.format(options=f"{self.OPTIONS}, deferrable={deferrable}"))
        provider.join()
        assert run.state == state

    def test_before_3_3_the_events_of_the_asset_tell_it(self, run_dag, usedesk, receive, monkeypatch):
        receive("DELIVERED", ticket_id=TICKET + 1)
        receive("SEEN")
        monkeypatch.setattr(report_store, "HAS_STATE_STORES", False)
        run = run_dag(DAG.format(options=self.OPTIONS))
        assert run.xcoms["wait", -1]["return_value"]["status"] == "SEEN"


class TestDeferring:
    def test_the_first_look_is_made_in_the_worker(self, ticket, context):
        ticket(DELIVERED)
        assert sensor(deferrable=True).execute(context)["status"] == "delivered"

    @pytest.mark.parametrize(("source", "in_triggerer"), [("poll", "poll"), ("auto", "webhook")])
    def test_the_trigger_can_be_stored_and_made_again(
        self, ticket, context, read_reports, with_secret, source, in_triggerer
    ):
        ticket(NOT_FOUND)
        read_reports(["SENT"])
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

    def test_runs_from_end_to_end(self, run_dag, ticket):
        ticket(shown(), shown(), DELIVERED)
        run = run_dag(DAG.format(options="source='poll', deferrable=True, poke_interval=0.1, timeout=60"))
        assert run.xcoms["wait", -1]["return_value"]["status"] == "delivered"


class TestResuming:
    def resume(self, sensor=None, /, **event):
        sensor = sensor or self.sensor()
        return sensor.execute_complete({}, event={"ticket_id": TICKET, **event})

    def sensor(self, **options):
        return sensor(deferrable=True, **options)

    def test_gives_ids_and_the_word(self):
        seen = self.resume(outcome="seen", status="DELIVERED", comment_id=MESSAGE)
        assert seen == {"ticket_id": TICKET, "comment_id": MESSAGE, "status": "DELIVERED"}

    def test_failed(self):
        with pytest.raises(AirflowFailException, match="was not delivered: UNDELIVERED"):
            self.resume(outcome="seen", status="UNDELIVERED", comment_id=None)

    def test_timeout(self, ticket):
        ticket(shown())
        with pytest.raises(AirflowSensorTimeout, match="message of ticket 77"):
            self.resume(outcome="timeout")

    def test_what_came_after_the_last_look_counts(self, ticket):
        ticket(DELIVERED)
        assert self.resume(outcome="timeout")["status"] == "delivered"

    def test_with_webhooks_auto_looks_at_the_ticket_in_the_end(self, ticket, read_reports, with_secret):
        ticket(FAILED)
        read_reports(["SENT"])
        with pytest.raises(AirflowFailException):
            self.resume(self.sensor(source="auto"), outcome="timeout")

    @pytest.mark.parametrize("answer", [502, NOT_FOUND, {"code": 112, "error": "no"}])
    @pytest.mark.parametrize("max_failures", [1, 10])
    def test_whatever_fails_at_the_end_is_a_timeout(self, ticket, quick, answer, max_failures):
        ticket(answer)
        with pytest.raises(AirflowSensorTimeout):
            self.resume(self.sensor(max_failures=max_failures), outcome="timeout")

    @pytest.mark.parametrize(
        "event",
        [
            {"outcome": "error", "error": "UsedeskUnavailable", "message": "out of order"},
            {"outcome": "timeout"},
            {"outcome": "seen", "status": "FAILED"},
        ],
    )
    def test_never_fail_skips(self, ticket, event):
        ticket(shown())
        with pytest.raises(AirflowSkipException):
            self.sensor(never_fail=True).resume_execution(
                "execute_complete", {"event": {"ticket_id": TICKET, **event}}, {}
            )

    def test_error_keeps_its_class(self, connection):
        with pytest.raises(errors.UsedeskUnavailable, match="out of order"):
            self.resume(outcome="error", error="UsedeskUnavailable", message="out of order")

    def test_a_wrong_connection_is_not_tried_again(self, connection):
        with pytest.raises(AirflowFailException, match="UsedeskInvalidToken: no"):
            self.resume(outcome="error", error="UsedeskInvalidToken", message="no")

    @pytest.mark.parametrize(
        "event",
        [
            None,
            "DELIVERED",
            {},
            {"outcome": "seen"},
            {"outcome": "seen", "status": 5},
            {"outcome": "seen", "status": "SENT", "comment_id": MESSAGE},
            {"outcome": "seen", "status": "DELIVERED", "ticket_id": 1},
            {"outcome": "error", "error": "Sequence"},
        ],
    )
    def test_checks_what_it_is_handed(self, connection, event):
        if isinstance(event, dict):
            event = {"ticket_id": TICKET, **event}
        with pytest.raises((AirflowException, errors.UsedeskError), match=r"does not belong|None"):
            self.sensor().execute_complete({}, event=event)


class TestTrigger:
    def fired(self, **options):
        now = datetime.now(UTC)
        defaults = {
            "usedesk_conn_id": "usedesk_default",
            "ticket_id": TICKET,
            "comment_id": None,
            "delivered_statuses": ["delivered", "read"],
            "failed_statuses": ["failed", "error"],
            "source": "poll",
            "poll_interval": 0.02,
            "since": now.isoformat(),
            "deadline": (now + timedelta(seconds=20)).isoformat(),
            "max_failures": 3,
        }

        async def fire():
            event = await anext(MessageDeliveryTrigger(**{**defaults, **options}).run())
            return event.payload

        return asyncio.run(fire())

    @pytest.mark.parametrize(("last", "word"), [(DELIVERED, "delivered"), (FAILED, "error")])
    def test_reads_the_ticket(self, ticket, last, word):
        requests = ticket(shown(), shown(), last)
        assert self.fired() == {
            "ticket_id": TICKET,
            "outcome": "seen",
            "status": word,
            "comment_id": MESSAGE,
        }
        assert requests() == 3

    def test_hears_of_it(self, read_reports):
        read_reports([], ["SENT"], ["SENT", "Delivered"])
        event = self.fired(source="webhook")
        assert (event["outcome"], event["status"], event["comment_id"]) == ("seen", "Delivered", MESSAGE)

    def test_a_word_that_nobody_knows_is_logged_once(self, read_reports, monkeypatch):
        logged = []
        log = SimpleNamespace(info=lambda text, *values: logged.append(text % values))
        monkeypatch.setattr(MessageDeliveryTrigger, "log", log)
        read_reports(["HANDED OVER"], ["HANDED OVER"], ["HANDED OVER", "Delivered"])
        self.fired(source="webhook")
        unknown = "This means neither delivered nor failed."
        assert logged == [
            f"A report on the message of ticket 77 says 'HANDED OVER'. {unknown}",
            "The message of ticket 77 is Delivered.",
        ]

    @pytest.mark.parametrize("source", ["webhook", "poll"])
    def test_other_messages_do_not_count(self, ticket, read_reports, source):
        ticket(DELIVERED)
        read_reports(["DELIVERED"])
        soon = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
        event = self.fired(source=source, comment_id=MESSAGE + 1, deadline=soon)
        assert event == {"ticket_id": TICKET, "outcome": "timeout"}

    def test_keeps_the_deadline_it_was_given(self, ticket, read_reports):
        past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
        read_reports([])
        assert self.fired(source="webhook", deadline=past)["outcome"] == "timeout"

    def test_looks_at_once_after_a_restart(self, ticket):
        requests = ticket(DELIVERED)
        long_ago = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        assert self.fired(since=long_ago, poll_interval=3600)["outcome"] == "seen"
        assert requests() == 1

    def test_survives_failures_that_are_not_in_a_row(self, ticket, quick):
        ticket(502, NOT_FOUND, shown(), 502, 502, DELIVERED)
        assert self.fired()["outcome"] == "seen"

    def test_gives_up_after_too_many_in_a_row(self, ticket, quick):
        requests = ticket(502)
        event = self.fired()
        assert (event["outcome"], event["error"]) == ("error", "UsedeskUnavailable")
        assert requests() == 3

    def test_another_refusal_ends_it_at_once(self, ticket):
        requests = ticket({"code": 117, "error": "no"})
        event = self.fired(max_failures=1000)
        assert (event["outcome"], event["error"]) == ("error", "UsedeskAgentNotFound")
        assert requests() == 1

    def test_a_memory_that_cannot_be_asked_counts_as_failures(self, read_reports):
        no = errors.UsedeskUnavailable("out of order")
        read_reports(no, no, [], no, no, ["READ"])
        assert self.fired(source="webhook")["outcome"] == "seen"
        read_reports(no)
        assert self.fired(source="webhook")["error"] == "UsedeskUnavailable"


class TestInTheWorker:
    """What an operator does that waits without a triggerer."""

    def wait(self, **options):
        self.now, self.slept = 0.0, []

        def sleep(seconds):
            self.slept.append(seconds)
            self.now += seconds

        return DeliveryWait(
            UsedeskHook(),
            default_message(TICKET, None),
            "poll",
            deferrable=False,
            clock=lambda: self.now,
            sleep=sleep,
            **{"interval": 30, "timeout": 100, **options},
        )

    def test_looks_at_once_and_then_in_intervals(self, ticket):
        ticket(shown(), shown(), DELIVERED)
        assert self.wait().wait_in_worker()["status"] == "delivered"
        assert self.slept == [30, 30]

    def test_the_last_look_is_at_the_end(self, ticket):
        requests = ticket(shown())
        with pytest.raises(AirflowSensorTimeout, match="after 100 s"):
            self.wait().wait_in_worker()
        assert self.slept == [30, 30, 30, 10]
        assert requests() == 5

"""The search by a custom field, against a sandbox whose clock only waiting moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found, LookUp
from airflow_provider_usedesk.idempotency.find_by_field import FieldSearch
from airflow_provider_usedesk.idempotency.find_ticket import TicketSearch
from airflow_provider_usedesk.idempotency.keys import IdempotencyKey, map_place
from airflow_provider_usedesk.idempotency.likely_tickets import LikelyTickets
from airflow_provider_usedesk.idempotency.ticket_match import has_key, match_key
from airflow_provider_usedesk.sandbox import Sandbox

FIELD = 10
KEY = IdempotencyKey("3kq7t2mzx4wd5c6e", recipient="anna", content="bill", nonce="deadbee1")
OTHER = IdempotencyKey("2222222222222222", recipient="anna", content="bill", nonce="deadbee2")
HOUR = 3600
LAG = 2


class World:
    """A sandbox, and the search for the ticket of :data:`KEY`, whose first attempt was a minute ago."""

    def __init__(self, usedesk, client, clock):
        self.usedesk, self.client, self.clock = usedesk, client, clock

    def send(self, key=KEY, subject="Bill", **params):
        """Create a ticket with a key in its field."""
        fields = {"field_id": FIELD, "field_value": key.field_text} if key else {}
        shown = {"additional_id": str(key)} if key else {}
        # Without HTTP, a thousand tickets take no time.
        _, content = self.usedesk._state.handle(
            "create/ticket",
            {
                "api_token": self.usedesk.token,
                "subject": subject,
                "message": "m",
                **shown,
                **fields,
                **params,
            },
        )
        return content["ticket_id"]

    def send_others(self, count, **params):
        for _ in range(count):
            self.send(None, additional_id="other", **params)

    def prove_filter(self, key=OTHER):
        """Let the field be in use for an hour."""
        control = self.send(key)
        self.clock.now += HOUR
        return control

    def find(self, key=KEY, delay=0.0):
        now = self.clock.moment()
        step = LookUp("key", key, now - timedelta(minutes=1), now + timedelta(seconds=delay))
        search = TicketSearch(
            self.client,
            LikelyTickets.of([("Bill", None)]),
            has_key(step),
            sleep=self.clock.sleep,
            now=self.clock.moment,
        )
        before = self.usedesk.requests()
        seen = FieldSearch(search, FIELD, key.field_text)(step.since, step.consistent_at)
        self.requests = self.usedesk.requests() - before
        return match_key(seen, step)


@pytest.fixture
def options():
    return {}


@pytest.fixture
def usedesk(clock, options):
    with Sandbox(listing_lag=LAG, clock=clock, **options) as running:
        yield running


@pytest.fixture
def world(usedesk, client, clock):
    return World(usedesk, client, clock)


ignored_filter = pytest.mark.parametrize("options", [{"filters_fields": False}], ids=["ignored filter"])


def found(ticket_id):
    return Found(CreatedTicket(ticket_id))


class TestFound:
    def test_two_requests_find_below_a_thousand(self, world):
        ticket_id = world.send()
        world.send_others(1000, subject="Bill")
        world.clock.now += LAG
        assert world.find() == found(ticket_id)
        assert world.requests == 2

    def test_messages_of_one_task_are_told_apart(self, world):
        mapped = [replace(KEY, place=map_place(index)) for index in range(5)]
        tickets = [world.send(key) for key in mapped]
        world.clock.now += LAG
        assert [world.find(key) for key in mapped] == [found(ticket_id) for ticket_id in tickets]

    def test_late_ticket_is_found_after_delay(self, world):
        ticket_id = world.send()
        assert world.find(delay=LAG) == found(ticket_id)
        assert world.clock.waited == LAG

    def test_edited_field_is_found_in_list(self, world):
        world.prove_filter()
        ticket_id = world.send()
        world.send_others(150, subject="Order")
        world.clock.now += LAG
        world.usedesk.update(ticket_id, custom_fields={FIELD: "A-17"})
        assert world.find() == found(ticket_id)

    def test_renamed_ticket_of_emptied_field_is_found(self, world):
        world.prove_filter()
        ticket_id = world.send()
        world.clock.now += LAG
        world.usedesk.update(ticket_id, custom_fields={FIELD: ""}, subject="Call back")
        assert world.find() == found(ticket_id)

    @ignored_filter
    def test_ignored_filter_finds_in_list(self, world):
        world.prove_filter()
        ticket_id = world.send()
        world.send_others(250, subject="Order", field_id=12, field_value="true")
        world.clock.now += LAG
        assert world.find() == found(ticket_id)

    def test_refused_filter_finds_in_list(self, world):
        ticket_id = world.send()
        world.clock.now += LAG
        world.usedesk.fail(faults.answer(body={"error": "unknown filter"}), method="tickets")
        assert world.find() == found(ticket_id)


class TestAbsent:
    def test_proven_filter_bounds_the_reading(self, world):
        world.prove_filter()
        world.send_others(1000, subject="Bill")
        world.clock.now += LAG
        assert world.find() == Absent()
        assert world.requests < 40

    def test_without_control_the_whole_list_counts(self, world):
        world.send_others(400, subject="Bill")
        world.clock.now += LAG
        assert isinstance(world.find(), Ambiguous)

    def test_field_newer_than_attempt_proves_nothing(self, world):
        world.clock.now += HOUR
        world.send(OTHER)
        world.send_others(400, subject="Bill")
        world.clock.now += LAG
        assert isinstance(world.find(), Ambiguous)

    def test_field_without_keys_proves_nothing(self, world):
        world.send(None, field_id=FIELD, field_value="A-17")
        world.clock.now += HOUR
        world.send_others(400, subject="Bill")
        world.clock.now += LAG
        assert isinstance(world.find(), Ambiguous)

    @ignored_filter
    def test_ignored_filter_proves_nothing(self, world):
        world.prove_filter()
        world.send_others(400, subject="Bill")
        world.clock.now += LAG
        assert isinstance(world.find(), Ambiguous)

    def test_failed_control_proves_nothing(self, world):
        world.prove_filter()
        world.send_others(400, subject="Bill")
        world.clock.now += LAG
        world.usedesk.fail(faults.answer(body=[]), method="tickets", times=3)
        assert isinstance(world.find(), Ambiguous)

    def test_absence_waits_until_consistent(self, world):
        world.prove_filter()
        assert world.find(delay=120) == Absent()
        assert world.clock.waited == HOUR + 120

    def test_ticket_without_additional_id_is_no_absence(self, world):
        world.prove_filter()
        world.send(None, subject="Call back", field_id=FIELD, field_value=KEY.field_text)
        world.clock.now += LAG
        assert isinstance(world.find(), Ambiguous)

    def test_value_without_results_proves_nothing(self, world, client, monkeypatch):
        world.prove_filter()
        world.send_others(400, subject="Bill")
        world.clock.now += LAG
        pages = client.ticket_pages

        def without_values(*, fields=None, **filters):
            is_value = fields is not None and fields[0]["value"] != "not_empty"
            return iter(()) if is_value else pages(fields=fields, **filters)

        monkeypatch.setattr(client, "ticket_pages", without_values)
        assert isinstance(world.find(), Ambiguous)

    def test_ticket_with_another_value_proves_nothing(self, world):
        world.prove_filter()
        world.send_others(400, subject="Bill")
        world.clock.now += LAG
        row = {"id": 1, "ticket_fields": [{"id": FIELD, "value": "A-17"}]}
        world.usedesk.fail(faults.answer(body=[row]), method="tickets")
        assert isinstance(world.find(), Ambiguous)

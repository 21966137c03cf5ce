"""What is read from a webhook, and what is left out."""

from __future__ import annotations

import json

import pytest

from airflow_provider_usedesk.api.delivery_words import DELIVERED, FAILED, normalized
from airflow_provider_usedesk.delivery.decision import normalized_words
from airflow_provider_usedesk.idempotency.keys import (
    IdempotencyKey,
    content_digest,
    named_place,
    parse_key,
    recipient_digest,
)
from airflow_provider_usedesk.webhook.events import WebhookEvent, asset_event_extra, body_secret, read_event

KEY = "af2.3kq7t2mzx4wd5c6e.i7.r6h2kq7t2mzx.4wd5c6e2.7f2a9c04/dag_id/task_id"
PERSON = {
    "id": 5,
    "name": "Ivan Petrov",
    "emails": [{"email": "ivan@example.org"}],
    "phones": [{"phone": "79250000001"}],
}
DELIVERY = {
    "message_status": {
        "delivery_status": "DELIVERED",
        "comment_id": 3551632,
        "extras": {"ticket_id": 1231234},
    }
}
TICKET = {
    "secret": "x",
    "ticket": {
        "id": "30745888",
        "status_id": "8",
        "subject": "Ivan Petrov cannot pay",
        "client_id": 5,
        "assignee_id": None,
        "group": 11,
        "channel_id": 683,
        "email": "ivan@example.org",
        "additional_id": KEY,
        "message": "call 79250000001",
    },
    "client": PERSON,
}
COMMENT = {
    "comment": {
        "id": 7,
        "message": "call 79250000001",
        "from": "client",
        "type": "public",
        "user_id": None,
        "client_id": 5,
        "ticket_id": 30745888,
        "is_first": "1",
    },
    "client": PERSON,
}
CHANGE = {
    "trigger": {
        "id": 3,
        "trigger_id": None,
        "user_id": 2156,
        "ticket_id": 30745888,
        "data": [
            {"target": "status_id", "value": "2", "old_value": "1"},
            {"target": "subject", "value": "s"},
        ],
        "old_status": 1,
        "new_status": 2,
    },
    "client": PERSON,
}
RATING = {
    "csi": {"id": 4, "user_id": 2156, "client_id": 5, "ticket_id": 30745888, "rating": 5, "comment": "ok"}
}
CHAT = {
    "chat_id": 9,
    "text": "call 79250000001",
    "client_id": 5,
    "client": PERSON,
    "from": "client",
    "platform": "pact_whatsapp",
    "ticket": {"id": 30745888, "message": "call me"},
    "state": "new",
}
ALL = {
    "delivery": DELIVERY,
    "ticket": TICKET,
    "comment": COMMENT,
    "change": CHANGE,
    "rating": RATING,
    "chat": CHAT,
}


def additional_id(given):
    return facts({"ticket": {**TICKET["ticket"], "additional_id": given}})["additional_id"]


def facts(content):
    event = read_event(content)
    assert isinstance(event, WebhookEvent)
    return event.facts


@pytest.mark.parametrize("kind", ALL)
def test_documented_format_is_recognized(kind):
    event = read_event(ALL[kind])
    assert event.kind == kind
    assert 30745888 in event.facts.values() or kind == "delivery"


def test_delivery_report_has_ids_and_status():
    assert facts(DELIVERY) == {"ticket_id": 1231234, "comment_id": 3551632, "delivery_status": "DELIVERED"}


@pytest.mark.parametrize("zero", [0, "0"])
@pytest.mark.parametrize(
    ("content", "key", "name", "fact"),
    [
        (TICKET, "ticket", "group", "group_id"),
        (TICKET, "ticket", "assignee_id", "assignee_id"),
        (COMMENT, "comment", "user_id", "user_id"),
        (CHANGE, "trigger", "trigger_id", "trigger_id"),
        (RATING, "csi", "user_id", "user_id"),
    ],
)
def test_zero_refers_to_nothing(content, key, name, fact, zero):
    assert facts({**content, key: {**content[key], name: zero}})[fact] is None


def test_change_lists_targets_without_values():
    assert facts(CHANGE)["targets"] == ["status_id", "subject"]
    assert facts(CHANGE)["new_status"] == 2


@pytest.mark.parametrize("kind", ALL)
def test_extra_has_no_personal_data(kind):
    text = json.dumps(
        asset_event_extra(read_event(ALL[kind]), "usedesk_default", "2026-11-24T00:00:00+00:00")
    )
    for personal in ("Ivan", "ivan@", "7925", "call", "cannot pay", "r6h2kq7t2mzx", "4wd5c6e2"):
        assert personal not in text


@pytest.mark.parametrize(
    "other",
    ["ivan@example.org", 12, None, "af2.dag\x00", "af2.a\nb", "af2." + "x" * 10_000, f"{KEY}\n", "af2.a.b.c"],
    ids=["email", "number", "none", "nul", "line-break", "long", "line-break-at-end", "cut"],
)
def test_foreign_additional_id_is_dropped(other):
    assert additional_id(other) is None


def test_own_additional_id_names_only_the_task():
    params = {"client_phone": "79250000001", "message": "call 79250000001"}
    key = IdempotencyKey(
        "b" * 16,
        named_place("79250000001"),
        recipient_digest(params),
        content_digest(params),
        "7f2a9c04",
        "Dag/Task",
    )
    kept = additional_id(f" {key} ")
    assert kept == f"af2.{'b' * 16}.-.-.-.7f2a9c04/Dag/Task"
    assert (parse_key(kept).base, parse_key(kept).nonce) == (key.base, key.nonce)


def test_long_label_of_idempotency_key_is_kept():
    key = str(IdempotencyKey("base", label="d" * 200 + "/" + "t" * 200))
    assert additional_id(key) == key


STATUSES = {
    "word": ("DELIVERED", "DELIVERED"),
    "unknown-word": (" вручено_2 ", "вручено_2"),
    "russian": ("Не доставлено", "Не доставлено"),
    "several": ("Delivered to handset", "Delivered to handset"),
    "punctuation": ("(delivered).", "delivered"),
    "negated": ("delivered: not", "delivered not"),
    "name": ("delivered to Ivan Petrov", "delivered to other"),
    "text": ("Ivan Petrov lives at 5", "other at other"),
    "phone": ("failed: +7 925 000-00-01", "failed other"),
    "phone-as-word": ("7925-000-00-01", "other"),
    "email": ("failed: ivan@example.org", "failed other"),
    "html": ("<script>alert(1)</script>", "other"),
    "control": ("a\x00b\ud800", "a other"),
    "long-word": ("x" * 1000, "other"),
    "long-text": ("delivered " * 100, "delivered other"),
}


@pytest.mark.parametrize("case", STATUSES)
def test_status_has_known_words(case):
    status, kept = STATUSES[case]
    report = {"message_status": {"delivery_status": status, "extras": {"ticket_id": 1}}}
    assert facts(report)["delivery_status"] == kept


def test_masked_status_decides_nothing():
    known = normalized_words([*DELIVERED, *FAILED])
    for status in ("delivered: +7 925 000-00-01", "failed: ivan@example.org", "delivered" + "." * 100 + "no"):
        report = {"message_status": {"delivery_status": status, "extras": {"ticket_id": 1}}}
        assert normalized(facts(report)["delivery_status"]) not in known


@pytest.mark.parametrize("text", ["Ivan Petrov lives at 5", "ivan@example.org", "79250000001", "x" * 65, ""])
@pytest.mark.parametrize(
    ("content", "key", "names"),
    [(COMMENT, "comment", ["from", "type"]), (CHAT, None, ["from", "platform", "state"])],
    ids=["comment", "chat"],
)
def test_text_instead_of_a_word_is_dropped(content, key, names, text):
    changed = dict.fromkeys(names, text)
    found = facts({**content, key: {**content[key], **changed}} if key else {**content, **changed})
    assert [found[name] for name in names] == [None] * len(names)


def test_change_lists_words_only():
    rows = [{"target": target} for target in ("status_id", "Ivan Petrov", "79250000001", None, 5)]
    assert facts({"trigger": {**CHANGE["trigger"], "data": rows}})["targets"] == ["status_id"]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"message_status": "DELIVERED"},
        {"message_status": {"delivery_status": "DELIVERED"}},
        {"message_status": {"delivery_status": ["DELIVERED"], "extras": {"ticket_id": 1}}},
        {"message_status": {"delivery_status": " ", "extras": {"ticket_id": 1}}},
        {"message_status": {"delivery_status": "DELIVERED", "extras": {"ticket_id": 10**30}}},
        {"ticket": []},
        {"ticket": {"id": True}},
        {"ticket": {"id": -1}},
        {"comment": {"id": "x"}},
        {"trigger": {"data": []}},
        {"csi": {"id": 1}},
        {"chat_id": None},
        {"something": {"else": 1}},
    ],
)
def test_other_content_is_unknown(content):
    assert read_event(content) == "unknown"


def test_ping_wins_over_other_fields():
    assert read_event({"ping": None}) == "ping"
    assert read_event({"ping": {"ticket": 1}, "ticket": {"id": 1}}) == "ping"


@pytest.mark.parametrize("kind", ALL)
def test_json_and_form_share_event_id(kind):
    def as_form(value):
        if isinstance(value, dict):
            return {key: as_form(item) for key, item in value.items()}
        if isinstance(value, list):
            return [as_form(item) for item in value]
        return "" if value is None else str(value)

    assert read_event(as_form(ALL[kind])).event_id == read_event(ALL[kind]).event_id


def test_event_id_depends_on_status_and_comment():
    def event_id(status, comment_id):
        part = {"delivery_status": status, "comment_id": comment_id, "extras": {"ticket_id": 1}}
        return read_event({"message_status": part}).event_id

    assert len({event_id("SENT", 1), event_id("DELIVERED", 1), event_id("DELIVERED", 2)}) == 3


def test_two_changes_are_two_events():
    other = {"trigger": {**CHANGE["trigger"], "new_status": 3}}
    assert read_event(other).event_id != read_event(CHANGE).event_id


def test_body_secret_is_field_secret():
    assert body_secret({"secret": 12}) == "12"
    assert body_secret(DELIVERY) is None

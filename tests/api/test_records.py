"""Records: documented responses are parsed, malformed responses raise only our own errors."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_usedesk.api import errors, records
from airflow_provider_usedesk.api.responses import Response

# The shapes of the API documentation, with invented values.
TICKET_ROW = {
    "id": 2154861,
    "priority": "low",
    "subject": "Dear Anna",
    "client_id": 27747627,
    "client_name": "Anna Smith",
    "assignee_id": 2156,
    "channel_id": 683,
    "group": 77,
    "last_updated_at": "2026-11-22 12:30:00",
    "type": "question",
    "created_at": "2026-11-22 12:00:00",
    "channel_email": "help@example.org",
    "ticket_fields": [{"id": 10, "name": "Order", "value": "A-17"}],
    "tags": [{"name": "debt"}, {"name": "may"}],
    "status": 8,
    "last_comment": "Dear Anna",
    "remind_at": None,
}
TICKET = {
    "ticket": {
        "id": "2154861",
        "status_id": "5",
        "subject": "Dear Anna",
        "priority": "low",
        "type": "question",
        "client_id": "27747627",
        "client_name": "Anna Smith",
        "assignee_id": "2156",
        "group": "77",
        "channel_id": "683",
        "last_updated_at": "2026-11-22 12:30:00",
        "email": "anna@example.org",
        "published_at": "2026-11-22 12:00:00",
        "company_id": "1",
        "additional_id": "airflow/dag/run/task",
    },
    "comments": [
        {
            "id": "5",
            "message": "Dear Anna",
            "from": "client",
            "type": "public",
            "user_id": None,
            "client_id": "27747627",
            "ticket_id": "2154861",
            "is_first": "1",
            "delivered": "0",
            "readed": "0",
            "published_at": "2026-11-22 12:00:00",
            "files": [{"name": "passport.pdf", "file": "https://files.example/passport.pdf"}],
            "cc": "",
            "bcc": "",
            "client": {"id": "27747627", "name": "Anna Smith"},
            "user": None,
        }
    ],
    "tags": ["debt", "may"],
    "changes": [],
    "custom_fields": [{"id": "1", "ticket_id": "2154861", "ticket_field_id": "10", "value": "A-17"}],
}
CHANNEL = {"channel_id": 683, "channel_name": "Mail", "channel_type": "email"}
GROUP = {"id": 77, "name": "Support", "company_id": 1, "deleted": 0, "deleted_at": None, "users": [2156]}
USER = {
    "id": 2156,
    "name": "Olga",
    "email": "olga@example.org",
    "position": "",
    "role": "employee",
    "phone": "79123456789",
    "online_status": 1,
    "chat_online_status": 0,
    "groups": [77],
}
TICKET_FIELD = {
    "custom_field": {
        "id": 61,
        "ticket_field_type_id": 4,
        "name": "Topic",
        "required": 1,
        "api": 1,
    },
    "field_options": [
        {"id": 1, "ticket_field_id": 61, "value": "Delivery", "parent_option_id": 0},
        {"id": 2, "ticket_field_id": 61, "value": "Late", "parent_option_id": 1},
    ],
}
TAG = {"ticket_tag_id": 9, "tag_company_id": 1, "name": "debt", "ticket_count": 17}
CLIENT_ROW = {
    "id": 27747627,
    "name": "Anna Smith",
    "emails": ["anna@example.org"],
    "phone": "79123456789",
    "tickets": [2154861],
}
CLIENT = {
    "client": {"id": 27747627, "name": "Anna Smith", "tickets": [2154861], "emails": [], "phones": []},
    "emails": [{"email": "anna@example.org"}],
    "phones": [{"phone": "79123456789", "type": "mobile"}],
    "social_networks": [],
    "messengers": [],
    "addresses": [],
    "sites": [],
    "client_company": {"id": 3, "name": "Smith Ltd"},
}
SAMPLES: dict[str, Any] = {
    "ticket_rows": [TICKET_ROW],
    "ticket_details": TICKET,
    "channels": [CHANNEL],
    "groups": [GROUP],
    "users": [USER],
    "ticket_fields": [TICKET_FIELD],
    "tags": [TAG],
    "client_rows": [CLIENT_ROW],
    "client_details": [CLIENT],
}


def read(name: str, body: Any) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return getattr(records, name)(Response(200, {}, content))


def with_ids_as(kind: type, body: Any) -> Any:
    """Convert every integer and every text of digits to ``kind``."""
    if isinstance(body, dict):
        return {name: with_ids_as(kind, value) for name, value in body.items()}
    if isinstance(body, list):
        return [with_ids_as(kind, value) for value in body]
    is_number = isinstance(body, int) and not isinstance(body, bool)
    return kind(body) if is_number or (isinstance(body, str) and body.isdigit()) else body


@pytest.mark.parametrize("name", SAMPLES)
def test_ids_as_number_or_text(name):
    as_numbers, as_texts = (read(name, with_ids_as(kind, SAMPLES[name])) for kind in (int, str))
    assert as_numbers == as_texts == read(name, SAMPLES[name])


def test_ticket_row_is_read():
    assert read("ticket_rows", [TICKET_ROW]) == [
        records.TicketRow(
            id=2154861,
            subject="Dear Anna",
            status=8,
            type="question",
            priority="low",
            client_id=27747627,
            client_name="Anna Smith",
            assignee_id=2156,
            group_id=77,
            channel_id=683,
            tags=("debt", "may"),
            channel_email="help@example.org",
            last_comment="Dear Anna",
            created_at="2026-11-22 12:00:00",
            custom_fields={10: "A-17"},
            last_updated_at="2026-11-22 12:30:00",
        )
    ]


@pytest.mark.parametrize(
    ("shown", "read_fields"),
    [
        ([{"id": 10, "name": "Order", "value": "A-17"}, {"id": "12", "value": None}], {10: "A-17", 12: None}),
        ([{"id": 5, "ticket_field_id": 10, "value": 17}], {10: "17"}),
        ([{"name": "Order", "value": "A-17"}, "A-17", None], {}),
        ({}, {}),
        (None, {}),
        ("", {}),
    ],
)
def test_fields_of_ticket_row_are_read(shown, read_fields):
    [row] = read("ticket_rows", [{**TICKET_ROW, "ticket_fields": shown}])
    assert row.custom_fields == read_fields


def test_ticket_details_are_read():
    assert read("ticket_details", TICKET) == records.TicketDetails(
        id=2154861,
        subject="Dear Anna",
        status=5,
        type="question",
        priority="low",
        client_id=27747627,
        client_name="Anna Smith",
        assignee_id=2156,
        group_id=77,
        channel_id=683,
        email="anna@example.org",
        company_id=1,
        additional_id="airflow/dag/run/task",
        tags=("debt", "may"),
        custom_fields={10: "A-17"},
        comments=(
            records.Comment(
                id=5,
                message="Dear Anna",
                author="client",
                type="public",
                client_id=27747627,
                published_at="2026-11-22 12:00:00",
                file_names=("passport.pdf",),
                file_urls=("https://files.example/passport.pdf",),
                ticket_id=2154861,
                is_first=True,
                client_name="Anna Smith",
            ),
        ),
        published_at="2026-11-22 12:00:00",
        last_updated_at="2026-11-22 12:30:00",
    )


def test_failed_mail_is_error_comment():
    failed = {"id": 6, "from": "trigger", "type": "error"}
    [comment] = read("ticket_details", {**TICKET, "comments": [failed]}).comments
    assert (comment.author, comment.type) == ("trigger", "error")


@pytest.mark.parametrize("tags", [["debt", "may"], [{"name": "debt"}, {"id": 3, "name": "may"}]])
def test_tags_as_texts_or_objects(tags):
    assert read("ticket_details", {**TICKET, "tags": tags}).tags == ("debt", "may")
    assert read("ticket_rows", [{**TICKET_ROW, "tags": tags}])[0].tags == ("debt", "may")


@pytest.mark.parametrize("status", [5, "5", "on hold", "On Hold"])
def test_status_as_number_or_name(status):
    assert read("ticket_rows", [{**TICKET_ROW, "status": status}])[0].status == 5


def test_group_as_id_or_object():
    for group in (77, "77", {"id": "77", "name": "Support"}):
        assert read("ticket_rows", [{**TICKET_ROW, "group": group}])[0].group_id == 77


def test_channels_groups_users_and_tags():
    assert read("channels", [CHANNEL]) == [records.Channel(683, "Mail", "email")]
    assert read("groups", [GROUP]) == [records.Group(77, "Support", (2156,), company_id=1)]
    assert read("groups", [{**GROUP, "users": [{"id": "2156"}]}]) == read("groups", [GROUP])
    assert read("users", [USER]) == [
        records.User(2156, "Olga", "employee", "olga@example.org", "79123456789", (77,), is_online=True)
    ]
    assert read("tags", [TAG]) == [records.Tag(9, "debt", 17, company_id=1)]


def test_ticket_field_with_options():
    assert read("ticket_fields", [TICKET_FIELD]) == [
        records.TicketField(
            id=61,
            name="Topic",
            type="nested list",
            required=True,
            options=(
                records.FieldOption(1, "Delivery"),
                records.FieldOption(2, "Late", parent_id=1, parent_ids=(1,)),
            ),
            is_api_only=True,
        )
    ]


@pytest.mark.parametrize(
    ("number", "kind"), [(1, "text"), (2, "list"), (3, "checkbox"), (4, "nested list"), (9, None)]
)
def test_ticket_field_types_have_names(number, kind):
    declared = {**TICKET_FIELD["custom_field"], "ticket_field_type_id": number}
    assert read("ticket_fields", [{"custom_field": declared}])[0].type == kind


@pytest.mark.parametrize(("required", "expected"), [(1, True), ("1", True), (True, True), (0, False)])
def test_required_flag_of_ticket_field(required, expected):
    declared = {**TICKET_FIELD["custom_field"], "required": required}
    assert read("ticket_fields", [{"custom_field": declared}])[0].required is expected


def test_client_row_and_details():
    row = read("client_rows", [CLIENT_ROW])[0]
    assert (row.id, row.name, row.emails, row.phones, row.ticket_ids) == (
        27747627,
        "Anna Smith",
        ("anna@example.org",),
        ("79123456789",),
        (2154861,),
    )
    details = read("client_details", [CLIENT])
    assert details == records.ClientDetails(
        row.id, row.name, row.emails, row.phones, row.ticket_ids, company="Smith Ltd", client_company_id=3
    )


@pytest.mark.parametrize(
    "written", ["79123456789", ["79123456789"], [{"phone": "79123456789"}], [79123456789]]
)
def test_phones_in_every_shape(written):
    row = {name: value for name, value in CLIENT_ROW.items() if name != "phone"}
    for name in ("phone", "phones"):
        assert read("client_rows", [{**row, name: written}])[0].phones == ("79123456789",)
    inside = {**CLIENT["client"], "phones": written}
    assert read("client_details", [{"client": inside}]).phones == ("79123456789",)


@pytest.mark.parametrize(
    "name", [name for name in SAMPLES if name not in ("ticket_details", "client_details")]
)
def test_rows_without_id_are_skipped(name):
    [row] = SAMPLES[name]
    assert read(name, []) == []
    assert read(name, [{}, None, 5, "x", [row], row]) == read(name, [row])


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("body", [None, True, 5, "x", {"data": []}, b"", b"<html>", b"[", b"[" * 100_000])
def test_invalid_response_is_unavailable(name, body):
    with pytest.raises(errors.UsedeskUnavailable):
        read(name, body)


def test_response_without_record_is_unavailable():
    for body in ({}, {"ticket": None}, {"ticket": []}):
        with pytest.raises(errors.UsedeskUnavailable, match="no ticket"):
            read("ticket_details", body)
    for body in ([], [{}], [{"client": None}], [{"client": {"id": None}}], [5]):
        with pytest.raises(errors.UsedeskUnavailable, match="no client"):
            read("client_details", body)


@pytest.mark.parametrize("name", SAMPLES)
def test_error_response_raises_its_error(name):
    with pytest.raises(errors.UsedeskInvalidToken):
        read(name, {"code": 112, "error": "wrong token"})


MALFORMED = [
    None,
    True,
    5,
    -1,
    1.5,
    "x",
    "",
    "9" * 30,
    "２",
    [],
    {},
    [None],
    [[]],
    [{}],
    {"id": {}},
    [{"name": {}}],
]


def malformed(body: Any) -> Iterator[Any]:
    """Yield all responses in which one part is missing or replaced."""
    yield from MALFORMED
    if isinstance(body, dict):
        for name, part in body.items():
            yield {key: value for key, value in body.items() if key != name}
            for other in malformed(part):
                yield {**body, name: other}
    elif isinstance(body, list):
        for index, part in enumerate(body):
            for other in malformed(part):
                yield [*body[:index], other, *body[index + 1 :]]


@pytest.mark.parametrize("name", SAMPLES)
def test_malformed_responses_raise_only_usedesk_errors(name):
    for body in malformed(copy.deepcopy(SAMPLES[name])):
        try:
            read(name, body)
        except errors.UsedeskError:
            continue


@pytest.mark.parametrize("name", SAMPLES)
def test_repr_contains_no_personal_data(name):
    text = repr(read(name, SAMPLES[name]))
    for value in ("Anna", "Smith", "example.org", "79123456789", "passport", "A-17"):
        assert value not in text

"""Classification of responses: a created ticket, or one of the errors."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from requests.structures import CaseInsensitiveDict

from airflow_provider_usedesk.api import errors, records, responses
from airflow_provider_usedesk.api.responses import CreatedTicket, Response, created_ticket

SUCCESS = {"status": "success", "ticket_id": 2154861}


def response(body, status=200, sending=True, **headers):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, CaseInsensitiveDict(headers), body, sending=sending)


def error(*args, **kwargs):
    with pytest.raises(errors.UsedeskError) as raised:
        created_ticket(response(*args, **kwargs))
    return raised.value


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (SUCCESS, CreatedTicket(2154861)),
        ({**SUCCESS, "ticket_id": "2154861"}, CreatedTicket(2154861)),
        (
            {"status": "success", "ticket_id": 30745888, "message_status": "delivered"},
            CreatedTicket(30745888, message_status="delivered"),
        ),
        (
            {"status": "success", "ticket_id": 30745888, "chat_id": "5754"},
            CreatedTicket(30745888, chat_id="5754"),
        ),
        ({**SUCCESS, "comment_id": "7"}, CreatedTicket(2154861, comment_id=7)),
        ({**SUCCESS, "error": None, "news": [1]}, CreatedTicket(2154861)),
    ],
)
def test_success_returns_created_ticket(body, expected):
    assert created_ticket(response(body)) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"message_status": "not delivered"}, True),
        ({"message_status": "not_delivered"}, True),
        ({"message_status": "Not-Delivered"}, True),
        ({"message_status": "undelivered"}, True),
        ({"message_status": "FAILED"}, True),
        ({"message_status": " error "}, True),
        ({"message_status": "delivered"}, False),
        ({"message_status": "sent"}, False),
        ({}, False),
    ],
)
def test_not_delivered_follows_message_status(status, expected):
    assert created_ticket(response({**SUCCESS, **status})).not_delivered is expected


@pytest.mark.parametrize("status", [200, 400, 422, 500])
@pytest.mark.parametrize(
    ("code", "error_class"),
    [
        (112, errors.UsedeskInvalidToken),
        (113, errors.UsedeskTicketNotFound),
        (114, errors.UsedeskMessageMissing),
        (115, errors.UsedeskAccessDenied),
        (116, errors.UsedeskWrongTag),
        (117, errors.UsedeskAgentNotFound),
        (118, errors.UsedeskGroupNotFound),
        (119, errors.UsedeskClientNotFound),
        (120, errors.UsedeskFileTooLarge),
        (121, errors.UsedeskRateLimited),
        (111, errors.UsedeskOutcomeUnknown),
    ],
)
def test_code_decides_error_class(status, code, error_class):
    for written in (code, str(code)):
        found = error({"code": written, "error": "an unexpected error of the service"}, status)
        assert type(found) is error_class
        assert (found.status, found.code) == (status, code)
        assert "an unexpected error of the service" in str(found)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": "nope"}, 200),
        ({"code": 999, "error": "nope"}, 200),
        ({"status": "failed"}, 200),
        ({"status": "error", "message": "no"}, 200),
        ({"status": False}, 200),
        ({"message": "The subject field is required."}, 422),
        (b"<html>bad request</html>", 400),
    ],
)
def test_clear_refusal_is_rejected(body, status):
    assert type(error(body, status)) is errors.UsedeskRejected


@pytest.mark.parametrize("body", [b"<html>413 Request Entity Too Large</html>", b"", {"error": "too large"}])
def test_too_large_for_web_server(body):
    found = error(body, 413)
    assert type(found) is errors.UsedeskFileTooLarge
    assert "smaller files" in str(found)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"<!doctype html><title>Login</title>", 200),
        (b"", 200),
        (b"[1, 2]", 200),
        (b'{"status": "success", "ticket_', 200),
        (b"ok", 200),
        ("success", 200),
        ({"status": "success"}, 200),
        ({"status": "success", "ticket_id": "soon"}, 200),
        ({"ticket_id": 5}, 200),
        ({"status": "success", "ticket_id": True}, 200),
        ({"status": "success", "ticket_id": 0}, 200),
        ({"status": "success", "ticket_id": -1}, 200),
        ({"status": "success", "ticket_id": "9" * 5000}, 200),
        ({"error": "too slow"}, 408),
        ({"error": "broken"}, 500),
        (b"<html>Bad Gateway</html>", 502),
        (b"", 503),
        (b"", 408),
    ],
)
def test_unclear_send_response_is_unknown_outcome(body, status):
    found = error(body, status)
    assert type(found) is errors.UsedeskOutcomeUnknown
    assert "before you send" in str(found)


def test_error_keeps_ticket_id():
    found = error({"status": "failed", "error": "no", "ticket_id": "77"})
    assert type(found) is errors.UsedeskOutcomeUnknown
    assert found.ticket_id == 77
    assert error({"ticket_id": 78}).ticket_id == 78
    for body in ({"code": 120, "error": "big", "ticket_id": 79}, {"status": "success", "ticket_id": 79}):
        found = error(body, 500)
        assert type(found) is errors.UsedeskOutcomeUnknown
        assert found.ticket_id == 79
        assert "cut off" not in str(found)


# HTTP statuses and error codes that mean a refusal, if nothing in the body shows an effect.
REFUSING_STATUSES = [300, 301, 302, 307, 308, 400, 401, 403, 404, 405, 407, 413, 422, 429, 499]
REFUSING_CODES = [{}, {"error": "slow down"}, {"code": 121}, {"code": "121", "error": "x"}, {"code": 119}]


class TestOnlyProvedRefusals:
    """A response that shows an effect of the request is never a refusal."""

    @pytest.mark.parametrize("status", [200, *REFUSING_STATUSES])
    @pytest.mark.parametrize(
        ("effect", "ticket_id"),
        [
            ({"ticket_id": 79}, 79),
            ({"ticket_id": "79"}, 79),
            ({"ticket_id": 79.0}, 79),
            ({"ticket_id": 79, "comment_id": 5}, 79),
            ({"comment_id": "5"}, None),
            ({"data": {"ticket_id": "79"}}, 79),
            ({"data": [{"result": {"comment_id": 5}}]}, None),
            ({"response": '{"status": "success", "ticket_id": 79}'}, 79),
            ({"ticket_id": None, "data": {"ticket_id": 79}}, 79),
            ({"status": "success"}, None),
            ({"data": {"status": "Success"}}, None),
            ({"status": "success", "ticket_id": 0}, None),
        ],
    )
    def test_effect_means_unknown_outcome(self, status, effect, ticket_id):
        for refusal in REFUSING_CODES[status == 200 :]:
            found = error({**refusal, **effect}, status)
            assert type(found) is errors.UsedeskOutcomeUnknown, refusal
            assert (found.ticket_id, found.status) == (ticket_id, status), refusal
            assert "before you send" in str(found)

    @pytest.mark.parametrize("status", [200, *REFUSING_STATUSES])
    @pytest.mark.parametrize(
        ("body", "ticket_id"),
        [
            (b'[{"ticket_id": 79}]', 79),
            (b'{"status": "success", "ticket_id": 79, "mess', 79),
            (b'{"status": "success", "ticket_id": "79", "comment_id": ', 79),
            (b'<br>Warning: x<br>{"status": "success", "ticket_id": 79}', 79),
            (b'{"message": "x", "ticket_id": 7', None),
            (b'{"status": "success", "tick', None),
        ],
    )
    def test_effect_in_damaged_body_is_found(self, status, body, ticket_id):
        found = error(body, status)
        assert type(found) is errors.UsedeskOutcomeUnknown
        assert found.ticket_id == ticket_id

    @pytest.mark.parametrize("refusal", REFUSING_CODES)
    def test_see_other_is_no_refusal(self, refusal):
        """It follows a request that was carried out, whatever its body says."""
        assert type(error(refusal, 303)) is errors.UsedeskOutcomeUnknown

    @pytest.mark.parametrize("status", REFUSING_STATUSES)
    @pytest.mark.parametrize(
        "more",
        [
            {},
            {"ticket_id": None},
            {"ticket_id": 0, "comment_id": ""},
            {"status": "failed"},
            {"errors": {"ticket_id": ["The ticket id is not valid."]}},
        ],
    )
    def test_refusal_without_effect_stays(self, status, more):
        for refusal in REFUSING_CODES:
            found = error({**refusal, **more}, status)
            has_no_error = not refusal and more.get("status") != "failed" and "errors" not in more
            is_unknown = status in (302, 499) and has_no_error
            assert (type(found) is errors.UsedeskOutcomeUnknown) == is_unknown, refusal

    @pytest.mark.parametrize("body", [b"", b"<html>", {}, {"message": "closed"}])
    def test_closed_by_client_is_unknown_outcome(self, body):
        assert type(error(body, 499)) is errors.UsedeskOutcomeUnknown

    def test_reads_are_decided_by_code(self):
        for body, status, error_class in (
            ({"code": 113, "error": "x", "ticket_id": 7}, 200, errors.UsedeskTicketNotFound),
            ({"ticket_id": 7}, 429, errors.UsedeskRateLimited),
            (b"", 499, errors.UsedeskUnavailable),
        ):
            with pytest.raises(error_class) as raised:
                records.ticket_details(response(body, status, sending=False))
            assert type(raised.value) is error_class


def test_unclear_read_response_is_unavailable():
    for body, status in ((b"", 200), (b"<html>", 502), ({"code": 111, "error": "x"}, 200), ({}, 200)):
        with pytest.raises(errors.UsedeskUnavailable):
            records.groups(response(body, status, sending=False))


@pytest.mark.parametrize("status", [301, 307, 404, 405])
def test_wrong_address_is_bad_connection(status):
    found = error(b"<html></html>", status, Location="https://elsewhere.example/?token=x")
    assert type(found) is errors.UsedeskBadConnection
    assert "API base URL" in str(found)
    assert "elsewhere" not in str(found)


def test_proxy_authentication_is_bad_connection():
    assert type(error(b"", 407)) is errors.UsedeskBadConnection


@pytest.mark.parametrize("status", [401, 403])
def test_status_means_access_denied(status):
    assert type(error(b"", status)) is errors.UsedeskAccessDenied
    assert type(error({"error": "Unauthenticated"}, status)) is errors.UsedeskAccessDenied


class TestRateLimit:
    @pytest.mark.parametrize(
        ("body", "status"), [(b"", 429), ({"error": "slow down"}, 429), ({"code": 121}, 200)]
    )
    def test_status_or_code_is_rate_limited(self, body, status):
        found = error(body, status)
        assert type(found) is errors.UsedeskRateLimited
        assert found.retry_after is None

    def test_retry_after_header_is_read(self):
        assert error(b"", 429, Retry_After="30").retry_after == 30
        assert error({"code": 121, "error": "x"}, 200, retry_after="1.5").retry_after == 1.5

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("Sun, 22 Nov 2026 12:00:30 GMT", 30),
            ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
            ("0", 0),
            ("-5", None),
            ("soon", None),
            ("", None),
        ],
    )
    def test_retry_after_as_seconds_or_date(self, value, seconds):
        now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        assert responses.retry_after({"Retry-After": value}, now) == seconds


class TestErrorsOfFields:
    @pytest.mark.parametrize("status", [200, 400, 422])
    @pytest.mark.parametrize(
        ("body", "shown"),
        [
            (
                {"error": {"subject": ["The subject field is required."]}},
                "subject: The subject field is required",
            ),
            ({"error": {"phone": "invalid format"}}, "phone: invalid format"),
            (
                {"error": ["The message is empty", "The tag is too long."]},
                "The message is empty; The tag is too long",
            ),
            (
                {
                    "message": "The given data was invalid.",
                    "errors": {
                        "emails.0": ["The format is invalid."],
                        "avatar": ["too large", "not supported"],
                    },
                },
                "emails: The format is invalid; avatar: too large; avatar: not supported",
            ),
            ({"errors": {"messengers.0.type": ["is unknown"]}}, "messengers type: is unknown"),
        ],
    )
    def test_texts_of_fields_are_shown(self, body, shown, status):
        found = error(body, status)
        assert type(found) is errors.UsedeskRejected
        assert f"Usedesk responded: {shown} (HTTP {status})" in str(found)

    def test_code_beside_them_decides(self):
        found = error({"code": 119, "error": {"client_id": ["not found"]}}, 200)
        assert type(found) is errors.UsedeskClientNotFound
        assert "client_id: not found" in str(found)

    @pytest.mark.parametrize(
        "reasons",
        [
            {"client_name": ["Anna Smith is too long"]},
            {"Anna": ["is too long"]},
            ["Anna Smith"],
            {"tag": {"79123456789": {"Anna": "Smith"}}},
        ],
    )
    def test_values_are_not_shown(self, reasons):
        for body in ({"error": reasons}, {"message": "invalid", "errors": reasons}):
            text = str(error(body, 422))
            assert not any(value in text for value in ("Anna", "Smith", "7912"))

    @pytest.mark.parametrize("reasons", [[[[[["deep"]]]]], {"subject": {}}, [None, 5], {"subject": [None]}])
    def test_no_text_is_no_reason(self, reasons):
        assert "no reason given" in str(error({"error": reasons}))


class TestRedaction:
    def test_personal_data_is_redacted(self):
        found = error({"error": "Client anna@example.org, +7 (912) 345-67-89, 79123456789 is not known"})
        assert "anna" not in str(found)
        assert "912" not in str(found)
        assert "is not known" in str(found)

    def test_html_pages_are_not_quoted(self):
        assert "Ivan" not in str(error(b"<html>Ivan</html>", 500))

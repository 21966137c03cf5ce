"""
No input makes the sandbox respond with 500, and none breaks it for later requests.

``USEDESK_FUZZ_EXAMPLES`` sets the number of requests.
"""

from __future__ import annotations

import json
import os
import re

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from airflow_provider_usedesk.api.php import flattened
from airflow_provider_usedesk.sandbox import Sandbox
from airflow_provider_usedesk.sandbox.fault_orders import FAULTS
from airflow_provider_usedesk.sandbox.methods import METHODS

EXAMPLES = int(os.environ.get("USEDESK_FUZZ_EXAMPLES", "200"))
NAMES = [
    "ticket_id",
    "client_id",
    "user_id",
    "group_id",
    "assignee_id",
    "channel_id",
    "chat_id",
    "company_id",
    "trigger_id",
    "merge_id",
    "subject",
    "message",
    "text",
    "tag",
    "status",
    "silent",
    "type",
    "priority",
    "from",
    "field_id",
    "field_value",
    "lists",
    "files",
    "additional_id",
    "private_comment",
    "client_name",
    "client_email",
    "client_phone",
    "company_name",
    "username",
    "template_id",
    "template_name",
    "template_variables",
    "template_lang",
    "cc",
    "bcc",
    "fchannel",
    "fassigned",
    "fgroup",
    "fstatus",
    "fields",
    "created_after",
    "updated_before",
    "query",
    "search_type",
    "sort",
    "order",
    "offset",
    "properties",
    "accessible_for_agent_id",
    "user_type",
    "channel_type",
    "name",
    "email",
    "emails",
    "messengers",
    "note",
    "is_new_note",
    "phone",
    "sites",
    "avatar",
    "status_vip",
    "status_spam",
    "position",
    "client_city",
    "new_address",
    "phone_type",
    "role",
    "password",
    "group",
    "lang",
    "send_invite",
    "chat_online_status",
]
# Values that get past the first check.
VALID = [1, 8, 10, 11, 2156, 2158, 683, 860, 20054, 20060, 153561, 5754, 27747627, 8094, "Main", "m", "user"]
VALID += ["79123456789", "a@example.org", "2026-01-12", "true", "null", "A;B", "10;12", "x;true", "[[[", "[1"]
VALID += ['["\\ud800"]', "[" * 5000, {"text": "m"}, [{"id": 61, "value": "Test"}], [{"id": 1, "url": "u"}]]
VALID += [{"text": "m", "from": {"name": "n"}}, [{"identity": "i", "type": "other"}], ["sla"], "delete"]
CHARSETS = ("utf-8", "raw_unicode_escape", "punycode", "none", "utf-16", "hex")
odd_text = st.text(max_size=12) | st.sampled_from(
    [
        "\ud800",
        "\x00",
        "\u202e",
        "é" * 300,
        "²",
        "٣",
        "9" * 40,
        "a\r\nb: c",
        "<b>",
        "'\"{{7*7}}",
        "../..",
        "-1",
    ]
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(10**30, 10**40), st.floats(), odd_text
)
values = st.sampled_from(VALID) | st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "value", "0", "from", "text"]) | odd_text, inner, max_size=3)
    ),
    max_leaves=6,
)
params = st.dictionaries(st.sampled_from(NAMES) | odd_text, values, max_size=5)
# What each method needs to be carried out.
NEEDED = {
    "create/ticket": {"subject": "s", "message": "m"},
    "create/user": {"name": "n", "email": "n@example.org", "password": "p", "group": 11},
    "update/user": {"user_id": 2156},
    "delete/user": {"user_id": 2157},
    "update/client": {"client_id": 27747627},
    "client": {"client_id": 27747627},
    "chat/addMessage": {"company_id": 153561, "channel_id": 860, "message": {"text": "m"}},
    "chat/sendMessage": {"chat_id": 5754, "user_id": 2158, "text": "m"},
    "chat/changeAssignee": {"chat_id": 5754, "user_id": 2158},
    "create/comment": {"message": "m"},
}
paths = st.sampled_from([*METHODS, *METHODS, "", "nothing", "create", "ticket/x", "%ff", "ticket%00"])
encodings = st.sampled_from(["json", "query", "form", "multipart", "deep", "bytes"])


@pytest.fixture(scope="module")
def fuzzed():
    with Sandbox(listing_lag=0) as sandbox, requests.Session() as session:
        session.trust_env = False
        yield sandbox, session


def sent(encoding, content, noise):
    """Return the arguments of a request with these parameters in one encoding."""
    if encoding == "json":
        return {"data": json.dumps(content).encode(), "headers": {"Content-Type": "Application/JSON"}}
    if encoding == "deep":
        body = json.dumps(content)[:-1] + ', "lists": ' + "[" * 600 + "]" * 600 + "}"
        return {"data": body.encode(), "headers": {"Content-Type": "application/json; charset=utf-8"}}
    if encoding == "bytes":
        kind = ["application/json", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
        return {"data": noise, "headers": {"Content-Type": kind[len(noise) % 3]}}
    pairs = [(_wire(name), _wire(str(value))) for name, value in flattened(content) if name]
    if encoding == "query":
        return {"params": pairs}
    if encoding == "form":
        return {"data": pairs}
    return _multipart(pairs, noise)


def _multipart(pairs, noise):
    """Return a form with files; the charset is one in which text can be half of a surrogate pair."""
    files = [(b"files[]", b"../a\\b.txt", noise), (b"avatar", b"", b""), (b"files[a]", b"\xff.png", b"x")]
    parts = [b'name="%s"\r\n\r\n%s' % pair for pair in pairs]
    parts += [b'name="%s"; filename="%s"\r\n\r\n%s' % file for file in files]
    body = b"".join(b"--x\r\nContent-Disposition: form-data; %s\r\n" % part for part in parts)
    kind = f"multipart/form-data; boundary=x; charset={CHARSETS[len(noise) % len(CHARSETS)]}"
    return {"data": body + b"--x--\r\n", "headers": {"Content-Type": kind}}


def _wire(text):
    return text.encode(errors="surrogatepass")


class TestFuzz:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize="USEDESK_FUZZ_EXAMPLES" not in os.environ,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        path=paths,
        verb=st.sampled_from(["POST", "POST", "POST", "GET"]),
        encoding=encodings,
        given_params=params,
        noise=st.binary(max_size=60),
    )
    def test_every_request_is_answered(self, fuzzed, path, verb, encoding, given_params, noise):
        sandbox, session = fuzzed
        last = {"ticket_id": sandbox.tickets[-1].ticket_id} if sandbox.tickets else {}
        content = {**last, **NEEDED.get(path, {}), **given_params, "api_token": sandbox.token}
        arguments = sent(encoding, content, noise)
        url = f"{sandbox.url}/{path}"
        response = session.request(verb, url, timeout=30, **arguments)
        assert response.status_code in (200, 400, 404, 405, 422), response.text
        body = response.json()
        if isinstance(body, dict) and ("error" in body or response.status_code != 200):
            assert isinstance(body["code"], int)
            assert body["error"]

    @settings(
        max_examples=EXAMPLES // 4,
        deadline=None,
        derandomize="USEDESK_FUZZ_EXAMPLES" not in os.environ,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        order=st.fixed_dictionaries(
            {"fault": st.sampled_from(sorted(FAULTS)) | values},
            optional={
                "status": st.integers(200, 599) | values,
                "body": values,
                "headers": st.dictionaries(odd_text, odd_text, max_size=2) | values,
                "content_type": odd_text,
                "retry_after": values,
                "when": st.sampled_from(["before", "after"]) | values,
                "seconds": st.just(0) | values,
                "times": st.just(1) | values,
                "method": st.just("ticket") | values,
            },
        )
    )
    def test_every_order_of_fault_is_answered(self, fuzzed, order):
        sandbox, session = fuzzed
        faults = f"{sandbox.inbox_url}_sandbox/faults"
        body = json.dumps(order).encode()
        ordered = session.post(faults, data=body, headers={"Content-Type": "application/json"}, timeout=30)
        assert ordered.status_code in (201, 400, 422), ordered.text
        if ordered.status_code == 201:
            [fault] = ordered.json()
            if fault["action"] == "answer" and fault["method"] in (None, "ticket"):
                response = session.post(f"{sandbox.url}/ticket", timeout=30)
                assert response.status_code == fault["status"]
        session.delete(faults, timeout=30)

    def test_sandbox_still_works(self, fuzzed):
        sandbox, session = fuzzed
        assert sandbox.tickets
        token = {"api_token": sandbox.token}
        for method in ("tickets", "clients", "users", "groups", "tags", "ticket/fields"):
            response = session.post(f"{sandbox.url}/{method}", json=token, timeout=30)
            assert (response.status_code, type(response.json())) == (200, list), method
        for ticket in sandbox.tickets:
            shown = session.post(
                f"{sandbox.url}/ticket", json={**token, "ticket_id": ticket.ticket_id}, timeout=30
            )
            assert shown.json()["ticket"]["id"] == str(ticket.ticket_id)
            page = session.get(f"{sandbox.inbox_url}tickets/{ticket.ticket_id}", timeout=30)
            assert page.status_code == 200
        for page in re.findall(r'href="/([a-z]*)"', session.get(sandbox.inbox_url, timeout=30).text):
            assert session.get(sandbox.inbox_url + page, timeout=30).status_code == 200, page

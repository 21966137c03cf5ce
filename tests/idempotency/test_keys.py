"""Idempotency keys: what a service may do to one, and what a digest ignores."""

from __future__ import annotations

import base64
import string
from decimal import Decimal

import pytest
from hypothesis import example, given, strategies as st

from airflow_provider_usedesk.idempotency import keys
from airflow_provider_usedesk.idempotency.keys import IdempotencyKey, is_cut_key, parse_key
from airflow_provider_usedesk.idempotency.send_once import new_nonce
from tests.idempotency.conftest import KEY

base32 = st.binary(min_size=10, max_size=10).map(lambda value: base64.b32encode(value).decode().casefold())
places = st.one_of(
    st.just(keys.SINGLE),
    st.just(keys.NESTED),
    st.integers(0, 10**6).map(keys.map_place),
    st.text(min_size=1).map(keys.named_place),
    st.binary(min_size=6, max_size=6).map(bytes.hex).map(keys.row_place),
)
labels = st.text(st.characters(exclude_categories=("Cs",)), max_size=400)
all_keys = st.builds(
    IdempotencyKey,
    base=base32,
    place=st.one_of(places, places.map(lambda place: keys.resend(IdempotencyKey("b", place)).place)),
    recipient=st.one_of(st.just(keys.ANY), base32.map(lambda text: text[:12])),
    content=st.one_of(st.just(keys.ANY), base32.map(lambda text: text[:8])),
    nonce=st.one_of(st.just(keys.ANY), st.builds(new_nonce)),
    label=labels,
)


@given(all_keys, st.sampled_from(["", " ", "\n"]), st.sampled_from([str, str.upper, str.lower, str.title]))
@example(KEY, " ", str.upper)
def test_key_survives_trim_and_case(key, space, change):
    text = str(key)
    assert parse_key(change(text)) == parse_key(text.strip()) == parse_key(f"{space}{text}{space}") == key


@given(all_keys)
def test_key_fits_the_field(key):
    assert len(str(key)) <= keys.MAX_LENGTH


def test_long_ids_leave_all_parts():
    base = keys.task_base("prefix", "d" * 250, "r" * 250, "t" * 250, "t" * 250)
    key = IdempotencyKey(base, keys.named_place("m" * 250), "r" * 12, "c" * 8, "7f2a9c04", "д" * 500)
    assert len(str(key)) == 255
    assert parse_key(str(key)) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "order 5",
        "af1.b.-.r.c.-",
        "af2",
        "af2.....",
        "af2.b.-.r.c",
        "af2.b.-.r.c.-.x",
        "af2.b..r.c.-/dag/task",
        "x" * 1000,
    ],
)
def test_other_texts_are_no_keys(text):
    assert parse_key(text) is None


@given(st.text())
def test_any_text_can_be_parsed(text):
    parse_key(text)
    is_cut_key(text, KEY.base)


@given(all_keys, st.data())
@example(KEY, None)
def test_each_cut_key_is_recognised(key, data):
    parts = str(key).partition("/")[0]
    lengths = range(keys.MIN_CUT + 1, len(parts))
    for length in lengths if data is None else [data.draw(st.sampled_from(lengths))]:
        shown = parts[:length]
        assert parse_key(shown) is None, shown
        assert is_cut_key(f" {shown.upper()} ", key.base), shown


@given(all_keys)
def test_key_without_its_label_is_whole(key):
    parts = str(key).partition("/")[0]
    assert parse_key(parts) == key
    assert not is_cut_key(parts, key.base)
    assert not is_cut_key(str(key), key.base)


@pytest.mark.parametrize("text", ["", "a", "af2.", "af2.3kq7", "order 5", "af2.3kq7t2mzx4wd5c6f.i7"])
def test_other_texts_are_no_cut_keys(text):
    assert not is_cut_key(text, KEY.base)


def test_label_is_not_compared():
    assert parse_key(f"{str(KEY).partition('/')[0]}/another") == KEY


def test_parts_of_a_base_do_not_merge():
    bases = {
        keys.task_base("", "a", "b", "c", "c"),
        keys.task_base("", "a.b", "", "c", "c"),
        keys.task_base("", "a", "b", "cc", ""),
        keys.task_base("a", "", "b", "c", "c"),
        keys.task_base("", "a", "b", "c", "c", 1),
        keys.task_base("", "a", "b", "c", "c", 1, map_index=0),
        keys.task_base("", "a", "b", "c", "c", map_index=1),
        keys.task_base("", "A", "b", "c", "c"),
    }
    assert len(bases) == 8


def test_places_differ():
    places = [keys.SINGLE, keys.NESTED, keys.map_place(0), keys.row_place("i0"), keys.named_place("i0")]
    resent = [keys.resend(IdempotencyKey("b", place)).place for place in places]
    assert len({*places, *resent}) == 10
    assert keys.named_place(" i0 ") == keys.named_place("i0")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"client_phone": "+7 (912) 345-67-89"}, {"client_phone": 79123456789}),
        ({"client_phone": "79123456789", "client_email": "a@example.org"}, {"client_phone": "+79123456789"}),
        ({"client_phone": "8 912 345-67-89", "phone_region": "RU"}, {"client_phone": "+79123456789"}),
        ({"client_phone": "912 345-67-89", "phone_region": "ru"}, {"client_phone": 79123456789.0}),
        ({"client_phone": "0912", "phone_region": "UK"}, {"client_phone": "0912"}),
        ({"client_phone": float("nan"), "client_id": 5}, {"client_id": 5}),
        ({"client_id": 5}, {"client_id": " 5 "}),
        ({"client_id": 5, "channel_id": 8}, {"client_id": 5.0, "channel_id": 8.0}),
        ({"client_id": 5, "channel_id": 8}, {"client_id": Decimal("5.00"), "channel_id": "8.0"}),
        ({"client_id": 5, "channel_id": 8}, {"client_id": "5", "channel_id": "8"}),
        ({"client_id": "new_client", "username": "@Anna"}, {"username": "anna"}),
        ({"client_email": "Anna@Example.org "}, {"client_email": "anna@example.org"}),
        ({"client_email": "a@example.org", "client_name": "A"}, {"client_email": "a@example.org"}),
        ({"client_phone": None, "client_id": 5}, {"client_phone": "", "client_id": 5, "client_name": "A"}),
        ({"client_id": 5, "subject": "a"}, {"client_id": 5, "subject": "b"}),
        ({}, {"client_id": "new_client"}),
        ({"username": "anna", "client_phone": "79120000001"}, {"username": "anna", "client_id": 5}),
        ({"client_id": 5, "client_email": "a@example.org"}, {"client_id": 5}),
    ],
)
def test_equal_recipients_have_one_digest(one, other):
    assert keys.recipient_digest(one) == keys.recipient_digest(other)


def test_different_recipients_have_different_digests():
    recipients = [
        {},
        {"channel_id": 8},
        {"client_phone": "5"},
        {"client_id": "5"},
        {"client_id": "5", "channel_id": 8},
        {"client_id": "5", "channel_id": 9},
        {"username": "5"},
        {"client_name": "5"},
        {"client_email": "5"},
        {"client_id": "6"},
    ]
    assert len({keys.recipient_digest(one) for one in recipients}) == len(recipients)


@given(st.text(string.digits, min_size=5, max_size=15), st.lists(st.sampled_from(" +-()"), max_size=5))
def test_phone_formatting_is_ignored(digits, marks):
    written = "".join(f"{mark}{digit}" for mark, digit in zip([*marks, *" " * 15], digits, strict=False))
    assert keys.recipient_digest({"client_phone": written}) == keys.recipient_digest({"client_phone": digits})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"message": "m", "group_id": 5}, {"group_id": "5", "message": "m"}),
        ({"group_id": 5, "custom_fields": {12: 5}}, {"group_id": 5.0, "custom_fields": {12.0: "5.0"}}),
        ({"message": "m", "private_comment": True}, {"private_comment": "True", "message": "m"}),
        ({"custom_fields": {12: 5}}, {"custom_fields": {"12": "5"}}),
        ({"lists": [1, (2, 3)]}, {"lists": ["1", ["2", "3"]]}),
        ({"subject": None}, {}),
        ({"phone_region": "RU"}, {}),
        ({"client_phone": "5", "channel_id": 8, "additional_id": "x"}, {"client_email": "a"}),
        ({"files": "bill.pdf"}, {"files": ["bill.pdf"]}),
        ({"files": ("bill.pdf", b"a")}, {"files": [("bill.pdf", b"b")]}),
        ({"files": []}, {"files": None}),
    ],
)
def test_equal_contents_have_one_digest(one, other):
    assert keys.content_digest(one) == keys.content_digest(other)


def test_different_contents_have_different_digests():
    contents = [
        {},
        {"message": "m"},
        {"subject": "m"},
        {"message": "m", "files": "bill.pdf"},
        {"message": "m", "files": ["bill.pdf", "act.pdf"]},
        {"message": "m", "group_id": 5},
        {"message": "m", "lists": [1, [2]]},
        {"message": "m", "lists": [1, 2]},
    ]
    assert len({keys.content_digest(one) for one in contents}) == len(contents)


def test_lone_surrogates_have_a_digest():
    assert len(keys.content_digest({"message": "\ud800"})) == 8


def test_representation_hides_digests_of_people():
    assert "r6h2kq7t2mzx" not in repr(KEY)
    assert "4wd5c6e2" not in repr(KEY)

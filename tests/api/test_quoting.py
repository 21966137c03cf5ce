"""Quotations of the service: the reason stays readable, and no transformation of a secret passes."""

from __future__ import annotations

import html
import json
import logging

import pytest
import requests_mock as mocked
from hypothesis import example, given, settings, strategies as st

from airflow_provider_usedesk.api import comment, errors, filters, ticket
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.quoting import (
    HIDDEN,
    HINT,
    MAX_QUOTED,
    NO_REASON,
    NOT_SHOWN,
    VOCABULARY,
    quoted,
    repeats,
)
from airflow_provider_usedesk.api.request import Method
from tests.support.airflow import URL


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Channel not found", "Channel not found"),
        ("The client_phone field is required.", "The client_phone field is required"),
        ('Invalid "template_id": must be an integer', "Invalid template_id: must be an integer"),
        ("Канал не найден", "Канал не найден"),
        ("Неверный формат телефона", "Неверный формат телефона"),
        ("Channel 683 not found", f"Channel {HIDDEN} not found{HINT}"),
        ("Client anna@b.ru, +7 (912) 345-67-89 is unknown", f"Client {HIDDEN} is unknown{HINT}"),
        ("Anna Smith", NOT_SHOWN + HINT),
        (" \n", NO_REASON),
        (None, NO_REASON),
        ({"a": 1}, NO_REASON),
        ("a\n\n text...", "a text"),
    ],
)
def test_reason_stays_readable(text, shown):
    assert quoted(text) == shown


def test_long_text_is_cut():
    shown = quoted("channel not found " * 100_000)
    assert len(shown) < MAX_QUOTED + len(HINT) + 3
    assert shown.endswith(HIDDEN + HINT)


def test_values_of_common_words_are_hidden():
    assert "client" not in quoted("text: client is open", lambda text: text.replace("client is open", "***"))


def test_vocabulary_has_all_parameters():
    methods = [value for module in (ticket, comment) for value in vars(module).values()]
    names = {name for method in methods if isinstance(method, Method) for name in method.parameters}
    names = names.union(*filters.FILTERS.values())
    assert {name.removesuffix("_") for name in names} - VOCABULARY == set()


def test_vocabulary_has_no_names():
    assert not VOCABULARY & {"anna", "ivan", "mark", "will", "may", "bill", "grant", "иван", "вера", "роман"}


def cut(secret, draw):
    start = draw(st.integers(0, len(secret) - 8))
    return secret[start : draw(st.integers(start + 8, len(secret)))]


def decorated(secret, draw):
    separator = draw(st.sampled_from([" ", "-", "&nbsp;", "\u200b", "%20", ".", "/", "<b>"]))
    position = draw(st.integers(1, len(secret) - 1))
    return secret[:position] + separator + secret[position:]


CASES = [str, str.upper, str.title, str.swapcase]
ENCODINGS = [
    str,
    html.escape,
    json.dumps,
    lambda secret: "".join(f"&#{ord(character)};" for character in secret),
    lambda secret: "".join(f"&#x{ord(character):x};" for character in secret),
    lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
    lambda secret: f"client{secret}channel",
]
TOKENS = st.text("0123456789abcdef", min_size=32, max_size=40)
PHONES = st.text("0123456789", min_size=11, max_size=15).map(lambda digits: f"7{digits[1:]}")
# Letters of which no word of the vocabulary has six in a row.
NAMES = st.text("qzxjwQZXJWжъэё ", min_size=16, max_size=30).filter(lambda name: len(name.split()) < 3)
FRAMES = st.sampled_from(["{}", "Invalid {} given", "{}: not found", "Клиент {} не найден", "id={}", "{} {}"])


@st.composite
def echoes(draw, secrets):
    """Return a secret, and a text of the service that repeats it in some form."""
    secret = draw(secrets)
    changed = cut(secret, draw) if draw(st.booleans()) else secret
    changed = draw(st.sampled_from(CASES))(changed)
    changed = decorated(changed, draw) if draw(st.booleans()) else changed
    for encode in draw(st.lists(st.sampled_from(ENCODINGS), max_size=2)):
        changed = encode(changed)
    return secret, draw(FRAMES).replace("{}", changed)


@settings(deadline=None)
@given(st.text() | echoes(TOKENS | PHONES | NAMES).map(lambda pair: pair[1]))
def test_only_words_of_the_vocabulary_pass(text):
    shown = quoted(text).removesuffix(HINT)
    words = [word.rstrip(".,:;!?").casefold().replace("’", "'") for word in shown.split()]
    assert set(words) - {HIDDEN} <= VOCABULARY or shown in (NO_REASON, NOT_SHOWN)


@settings(deadline=None)
@given(echoes(TOKENS))
@example(("0" * 32, '"000\\u200b00000"'))
def test_repeated_token_is_recognized(pair):
    token, text = pair
    assert repeats(text, token)


@pytest.mark.parametrize("text", ["", "Channel not found", "The token is invalid", "79123123111"])
def test_other_text_repeats_no_token(text):
    assert not repeats(text, "0123456789abcdef0123-token")


@settings(max_examples=60, deadline=None)
@given(
    token=echoes(TOKENS), phone=echoes(PHONES), name=echoes(NAMES), status=st.sampled_from([200, 422, 500])
)
def test_no_secret_of_a_request_is_shown(token, phone, name, status):
    records = []
    handler = logging.Handler(logging.DEBUG)
    handler.emit = records.append
    logger = logging.getLogger("airflow_provider_usedesk")
    logger.addHandler(handler)
    previous, logger.level = logger.level, logging.DEBUG
    client = UsedeskClient.connect(token[0], URL, max_wait=0)
    body = json.dumps({"code": 119, "error": " ".join(text for _, text in (token, phone, name))})
    try:
        with mocked.Mocker() as mocker:
            mocker.post(f"{URL}/create/ticket", text=body, status_code=status)
            with pytest.raises(errors.UsedeskError) as raised:
                client.create_ticket(subject=name[0], message=name[0], client_phone=phone[0])
    finally:
        logger.removeHandler(handler)
        logger.level = previous
    shown = "".join([str(raised.value), repr(vars(raised.value))])
    shown += "".join(record.getMessage() for record in records if record.levelno > logging.DEBUG)
    assert not any(repeats(shown, secret) for secret, _ in (token, phone, name))
    debug = "".join(record.getMessage() for record in records)
    assert not repeats(debug, token[0])

"""Who may send webhooks."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_usedesk.webhook.auth import REMEMBERED, Gate, read_account

OLD, NEW = "old-secret-old-secret", "new-secret-new-secret"


def gate_of(extra, clock=lambda: 0.0):
    return Gate({"usedesk_default": read_account("token", extra)}.get, clock)


def test_two_secrets_are_good_while_one_replaces_the_other():
    gate = gate_of({"webhook_secret": f"{NEW}, {OLD}"})
    assert gate.account("usedesk_default", OLD)
    assert gate.account("usedesk_default", NEW)
    assert not gate.account("usedesk_default", f"{NEW}, {OLD}")


@pytest.mark.parametrize("secret", ["", "short", "has a space in it, and more", "has/a/slash/in/it/and/more"])
def test_what_is_no_good_secret_opens_nothing(secret, caplog):
    gate = gate_of({"webhook_secret": secret})
    with caplog.at_level(logging.WARNING):
        assert not gate.account("usedesk_default", secret)
    assert secret == "" or secret not in caplog.text


def test_a_connection_without_a_secret_and_one_that_is_not_there_let_nobody_in():
    assert not gate_of({}).account("usedesk_default", "")
    assert not gate_of({"webhook_secret": NEW}).account("other", NEW)


def test_a_connection_is_read_once_in_a_while_and_a_change_counts_after_that():
    read, now = [], [0.0]
    secrets = [OLD]

    def account(conn_id):
        read.append(conn_id)
        return read_account("token", {"webhook_secret": secrets[-1]})

    gate = Gate(account, lambda: now[0])
    assert gate.account("usedesk_default", OLD)
    assert gate.account("usedesk_default", OLD)
    assert read == ["usedesk_default"]
    secrets.append(NEW)
    now[0] = REMEMBERED
    assert gate.account("usedesk_default", NEW)
    assert not gate.account("usedesk_default", OLD)


def test_connections_that_are_only_tried_out_do_not_fill_the_memory():
    gate = Gate(lambda conn_id: None, lambda: 0.0)
    for number in range(1000):
        gate.account(str(number), NEW)
    assert gate._remembered.cache_info().currsize <= 256


def test_the_field_secret_is_checked_only_where_an_application_id_is_given():
    assert read_account("token", {"webhook_secret": NEW}).takes("anything")
    checked = read_account("token", {"webhook_secret": NEW, "application_id": "42"})
    assert checked.takes("42")
    assert checked.takes("token")
    assert checked.takes(None)
    assert not checked.takes("43")
    assert not checked.takes("\ud800")


def test_nothing_secret_shows_in_the_text_of_an_account():
    text = repr(read_account("t0ken", {"webhook_secret": NEW, "application_id": "42"}))
    assert NEW not in text
    assert "t0ken" not in text

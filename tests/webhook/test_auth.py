"""Who may send webhooks."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_usedesk.webhook.auth import REMEMBERED, Authenticator, read_account

OLD, NEW = "old-secret-old-secret", "new-secret-new-secret"


def gate_of(extra, clock=lambda: 0.0):
    return Authenticator({"usedesk_default": read_account("token", extra)}.get, clock)


def test_two_secrets_are_good_while_one_replaces_the_other():
    authenticator = gate_of({"webhook_secret": f"{NEW}, {OLD}"})
    assert authenticator.account("usedesk_default", OLD)
    assert authenticator.account("usedesk_default", NEW)
    assert not authenticator.account("usedesk_default", f"{NEW}, {OLD}")


@pytest.mark.parametrize("secret", ["", "short", "has a space in it, and more", "has/a/slash/in/it/and/more"])
def test_what_is_no_good_secret_opens_nothing(secret, caplog):
    authenticator = gate_of({"webhook_secret": secret})
    with caplog.at_level(logging.WARNING):
        assert not authenticator.account("usedesk_default", secret)
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

    authenticator = Authenticator(account, lambda: now[0])
    assert authenticator.account("usedesk_default", OLD)
    assert authenticator.account("usedesk_default", OLD)
    assert read == ["usedesk_default"]
    secrets.append(NEW)
    now[0] = REMEMBERED
    assert authenticator.account("usedesk_default", NEW)
    assert not authenticator.account("usedesk_default", OLD)


def test_connections_that_are_only_tried_out_do_not_fill_the_memory():
    authenticator = Authenticator(lambda conn_id: None, lambda: 0.0)
    for number in range(1000):
        authenticator.account(str(number), NEW)
    assert authenticator._remembered.cache_info().currsize <= 256


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

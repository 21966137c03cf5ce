"""The check of webhook secrets."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_usedesk.compat.sdk import Connection
from airflow_provider_usedesk.webhook.auth import CACHE_SECONDS, Authenticator, read_secrets, secrets_of

OLD, NEW = "old-secret-old-secret", "new-secret-new-secret"


def authenticator_of(extra, clock=lambda: 0.0):
    return Authenticator({"usedesk_default": read_secrets("token", extra)}.get, clock)


def test_both_secrets_match_during_rotation():
    authenticator = authenticator_of({"webhook_secret": f"{NEW}, {OLD}"})
    assert authenticator.authenticate("usedesk_default", OLD)
    assert authenticator.authenticate("usedesk_default", NEW)
    assert not authenticator.authenticate("usedesk_default", f"{NEW}, {OLD}")


@pytest.mark.parametrize(
    "secret",
    ["", "short", "has a space in it, and more", "has/a/slash/in/it/and/more"],
    ids=["empty", "short", "blanks", "slashes"],
)
def test_invalid_secret_never_matches(secret, caplog):
    authenticator = authenticator_of({"webhook_secret": secret})
    with caplog.at_level(logging.WARNING):
        assert not authenticator.authenticate("usedesk_default", secret)
    assert secret == "" or secret not in caplog.text


def test_missing_secret_never_matches():
    assert not authenticator_of({}).authenticate("usedesk_default", "")
    assert not authenticator_of({"webhook_secret": NEW}).authenticate("other", NEW)


def test_connection_is_cached_for_seconds():
    read, now = [], [0.0]
    secrets = [OLD]

    def read_connection(conn_id):
        read.append(conn_id)
        return read_secrets("token", {"webhook_secret": secrets[-1]})

    authenticator = Authenticator(read_connection, lambda: now[0])
    assert authenticator.authenticate("usedesk_default", OLD)
    assert authenticator.authenticate("usedesk_default", OLD)
    assert read == ["usedesk_default"]
    secrets.append(NEW)
    now[0] = CACHE_SECONDS
    assert authenticator.authenticate("usedesk_default", NEW)
    assert not authenticator.authenticate("usedesk_default", OLD)


@pytest.mark.parametrize("extra", ['["a"]', '"{}"'])
def test_extra_without_object_has_no_secrets(caplog, extra):
    found = Connection(conn_id="mine", conn_type="usedesk", password="token", extra=extra)
    with caplog.at_level(logging.WARNING):
        assert secrets_of(found) is None
    assert "connection mine is not complete: the extra must be a JSON object" in caplog.text


def test_cache_of_unknown_connections_is_bounded():
    authenticator = Authenticator(lambda conn_id: None, lambda: 0.0)
    for number in range(1000):
        authenticator.authenticate(str(number), NEW)
    assert not authenticator.needs_read("999")
    assert sum(not authenticator.needs_read(str(number)) for number in range(1000)) <= 256


def test_body_secret_needs_application_id():
    assert read_secrets("token", {"webhook_secret": NEW}).match_body("anything")
    checked = read_secrets("token", {"webhook_secret": NEW, "application_id": "42"})
    assert checked.match_body("42")
    assert checked.match_body("token")
    assert checked.match_body(None)
    assert not checked.match_body("43")
    assert not checked.match_body("\ud800")


def test_repr_has_no_secret():
    text = repr(read_secrets("t0ken", {"webhook_secret": NEW, "application_id": "42"}))
    assert NEW not in text
    assert "t0ken" not in text

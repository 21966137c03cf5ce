"""The check of webhook secrets."""

from __future__ import annotations

import asyncio
import gc
import json
import time

import pytest

from airflow_provider_usedesk.compat.sdk import Connection
from airflow_provider_usedesk.webhook import auth
from airflow_provider_usedesk.webhook.auth import CACHE_SECONDS, Authenticator, read_secrets, secrets_of

OLD, NEW = "old-secret-old-secret", "new-secret-new-secret"


def authenticator_of(extra, clock=lambda: 0.0):
    return Authenticator({"usedesk_default": read_secrets("token", extra)}.get, clock)


def connection(extra, token="token"):
    return Connection(conn_id="mine", conn_type="usedesk", password=token, extra=json.dumps(extra))


@pytest.fixture
def warnings(caplog):
    """Return the texts of the warnings that were logged, each once in a process."""
    auth._warn_once.cache_clear()
    return lambda: [record.message for record in caplog.records if record.name == auth.__name__]


def authenticate(authenticator, conn_id, secret):
    return asyncio.run(authenticator.authenticate(conn_id, secret))


def test_both_secrets_match_during_rotation():
    authenticator = authenticator_of({"webhook_secret": f"{NEW}, {OLD}"})
    assert authenticate(authenticator, "usedesk_default", OLD)
    assert authenticate(authenticator, "usedesk_default", NEW)
    assert not authenticate(authenticator, "usedesk_default", f"{NEW}, {OLD}")


@pytest.mark.parametrize(
    "secret",
    ["", "short", "has a space in it, and more", "has/a/slash/in/it/and/more"],
    ids=["empty", "short", "blanks", "slashes"],
)
def test_invalid_secret_never_matches(secret, warnings):
    for _ in range(2):
        found = {"mine": secrets_of(connection({"webhook_secret": secret}))}
        assert not authenticate(Authenticator(found.get), "mine", secret)
    assert len(warnings()) == (1 if secret else 0)
    assert secret == "" or secret not in warnings()[0]


def test_failed_read_that_nobody_waits_for_logs_nothing(caplog):
    def read(conn_id):
        raise RuntimeError("a text of the backend")

    async def disconnect():
        waiting = asyncio.ensure_future(Authenticator(read).authenticate("mine", NEW))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)

    asyncio.run(disconnect())
    gc.collect()
    assert caplog.text == ""


def test_missing_secret_never_matches():
    assert not authenticate(authenticator_of({}), "usedesk_default", "")
    assert not authenticate(authenticator_of({"webhook_secret": NEW}), "other", NEW)


def test_connection_is_cached_for_seconds():
    read, now = [], [0.0]
    secrets = [OLD]

    def read_connection(conn_id):
        read.append(conn_id)
        return read_secrets("token", {"webhook_secret": secrets[-1]})

    authenticator = Authenticator(read_connection, lambda: now[0])
    assert authenticate(authenticator, "usedesk_default", OLD)
    assert authenticate(authenticator, "usedesk_default", OLD)
    assert read == ["usedesk_default"]
    secrets.append(NEW)
    now[0] = CACHE_SECONDS
    assert authenticate(authenticator, "usedesk_default", NEW)
    assert not authenticate(authenticator, "usedesk_default", OLD)


@pytest.mark.parametrize("extra", ['["a"]', '"{}"'])
def test_extra_without_object_has_no_secrets(warnings, extra):
    assert secrets_of(Connection(conn_id="mine", conn_type="usedesk", password="token", extra=extra)) is None
    assert "connection mine is not complete: the extra must be a JSON object" in warnings()[0]


def test_burst_reads_a_connection_once():
    read = []

    def slow_read(conn_id):
        read.append(conn_id)
        time.sleep(0.05)
        return read_secrets("token", {"webhook_secret": NEW}) if conn_id == "usedesk_default" else None

    authenticator = Authenticator(slow_read, lambda: 0.0)

    async def burst(conn_id):
        webhooks = (authenticator.authenticate(conn_id, NEW) for _ in range(30))
        return [known is not None for known in await asyncio.gather(*webhooks)]

    assert asyncio.run(burst("usedesk_default")) == [True] * 30
    assert asyncio.run(burst("other")) == [False] * 30
    assert read == ["usedesk_default", "other"]


def test_failed_read_fails_its_burst_only():
    failing = [True]

    def read(conn_id):
        if failing.pop():
            time.sleep(0.05)
            raise TimeoutError
        return read_secrets("token", {"webhook_secret": NEW})

    authenticator = Authenticator(read, lambda: 0.0)

    async def burst():
        webhooks = (authenticator.authenticate("usedesk_default", NEW) for _ in range(3))
        return await asyncio.gather(*webhooks, return_exceptions=True)

    assert {type(error) for error in asyncio.run(burst())} == {TimeoutError}
    failing.append(False)
    assert authenticate(authenticator, "usedesk_default", NEW)


def test_cancelled_webhook_leaves_the_others():
    def slow_read(conn_id):
        time.sleep(0.05)
        return read_secrets("token", {"webhook_secret": NEW})

    authenticator = Authenticator(slow_read, lambda: 0.0)

    async def both():
        first, second = (
            asyncio.create_task(authenticator.authenticate("usedesk_default", NEW)) for _ in range(2)
        )
        await asyncio.sleep(0.01)
        first.cancel()
        return await second

    assert asyncio.run(both())


def test_unknown_connections_evict_only_each_other():
    read = []

    def read_connection(conn_id):
        read.append(conn_id)
        return read_secrets("token", {"webhook_secret": NEW}) if conn_id == "usedesk_default" else None

    authenticator = Authenticator(read_connection, lambda: 0.0)
    authenticate(authenticator, "usedesk_default", NEW)

    async def flood():
        for number in range(1000):
            await authenticator.authenticate(str(number), NEW)

    asyncio.run(flood())
    read.clear()
    for conn_id in ("usedesk_default", "999", "0"):
        authenticate(authenticator, conn_id, NEW)
    assert read == ["0"]


def test_body_secret_needs_application_id():
    assert read_secrets("token", {"webhook_secret": NEW}).match_body("anything")
    checked = read_secrets("token", {"webhook_secret": NEW, "application_id": "42"})
    assert checked.match_body("42")
    assert checked.match_body("token")
    assert checked.match_body(None)
    assert not checked.match_body("43")
    assert not checked.match_body("\ud800")


@pytest.mark.parametrize("token", [None, "", " "])
def test_body_secret_without_token_is_not_checked(warnings, token):
    """It can be the token, so no value is known to be wrong; one warning says so."""
    for _ in range(2):
        found = secrets_of(connection({"webhook_secret": NEW, "application_id": "42"}, token))
        assert found.match_body("42")
        assert found.match_body("token")
    [warning] = warnings()
    assert "The application id of the Usedesk connection mine is not checked" in warning


def test_application_id_without_webhooks_needs_no_token(warnings):
    secrets_of(connection({"application_id": "42"}, None))
    secrets_of(connection({"webhook_secret": NEW, "application_id": "42"}, "token"))
    assert warnings() == []


def test_repr_has_no_secret():
    text = repr(read_secrets("t0ken", {"webhook_secret": NEW, "application_id": "42"}))
    assert NEW not in text
    assert "t0ken" not in text

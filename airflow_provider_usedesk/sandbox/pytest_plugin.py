"""The pytest fixture ``usedesk_sandbox`` for tests of your own Dags."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_provider_usedesk.sandbox import Sandbox


@pytest.fixture
def usedesk_sandbox_options() -> dict[str, Any]:
    """Return the arguments of the sandbox; override this fixture to set some, such as ``lenient``."""
    return {}


@pytest.fixture
def usedesk_sandbox(
    monkeypatch: pytest.MonkeyPatch, usedesk_sandbox_options: dict[str, Any]
) -> Iterator[Sandbox]:
    """Run a local Usedesk that the connection ``usedesk_default`` uses during the test."""
    from airflow_provider_usedesk.sandbox import Sandbox

    sandbox = Sandbox(**{"listing_lag": 0, **usedesk_sandbox_options})
    try:
        sandbox.start()
    except RuntimeError as error:
        pytest.fail(str(error), pytrace=False)
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", sandbox.connection_json)
    yield sandbox
    sandbox.stop()

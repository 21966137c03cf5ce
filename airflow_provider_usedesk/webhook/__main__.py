"""
Run the receiver of webhooks alone: ``python -m airflow_provider_usedesk.webhook``.

For an Airflow that Usedesk cannot reach: events are handed on over Airflow's public REST API. The connections
with their webhook_secret come from the environment (AIRFLOW_CONN_USEDESK_DEFAULT, …), and so does the way
into Airflow: AIRFLOW_API_TOKEN, or AIRFLOW_API_USERNAME and AIRFLOW_API_PASSWORD.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from airflow_provider_usedesk.webhook.auth import Account
    from airflow_provider_usedesk.webhook.rest import AirflowApi


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    import requests
    import uvicorn

    from airflow_provider_usedesk.webhook.rest import AirflowApi, AirflowRefused

    airflow = AirflowApi(
        options.airflow_url,
        token=os.environ.get("AIRFLOW_API_TOKEN"),
        username=os.environ.get("AIRFLOW_API_USERNAME"),
        password=os.environ.get("AIRFLOW_API_PASSWORD"),
        verify=options.ca_file or True,
    )
    try:
        logging.info("Airflow %s is reached.", airflow.check())
    except (AirflowRefused, requests.RequestException) as error:
        sys.stderr.write(f"Airflow at {options.airflow_url} cannot be used: {_reason(error)}\n")
        return 1
    # The access log would hold the secrets.
    uvicorn.run(
        standalone_app(airflow),
        host=options.host,
        port=options.port,
        access_log=False,
        log_level="warning",
        lifespan="off",
        server_header=False,
    )
    return 0


def standalone_app(airflow: AirflowApi) -> ASGIApp:
    """Put the receiver together, at the same path as in Airflow's own API server."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from airflow_provider_usedesk.webhook.app import build_app
    from airflow_provider_usedesk.webhook.auth import Authenticator
    from airflow_provider_usedesk.webhook.rest import RestStore

    receiver = build_app(Authenticator(account_in_environment), RestStore(airflow))
    return Starlette(routes=[Mount("/usedesk", receiver)])


def account_in_environment(conn_id: str) -> Account | None:
    """Read a connection from the variables ``AIRFLOW_CONN_…``."""
    from airflow.secrets.environment_variables import EnvironmentVariablesBackend

    from airflow_provider_usedesk.webhook.auth import account_of

    return account_of(EnvironmentVariablesBackend().get_connection(conn_id))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_usedesk.webhook",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--airflow-url", required=True, help="address of Airflow's API server")
    parser.add_argument("--ca-file", help="CA file, where its certificate needs one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8787, help="port to listen on (default: 8787)")
    return parser


def _reason(error: Exception) -> str:
    return str(error) if type(error).__name__ == "AirflowRefused" else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())

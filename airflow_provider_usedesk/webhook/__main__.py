"""
Run the receiver of webhooks as a program: ``python -m airflow_provider_usedesk.webhook``.

For an Airflow that Usedesk cannot reach: the receiver stores events over Airflow's public REST API. The
environment has the connections with their webhook_secret (AIRFLOW_CONN_USEDESK_DEFAULT, …), and the access to
Airflow: AIRFLOW_API_USERNAME and AIRFLOW_API_PASSWORD, or AIRFLOW_API_TOKEN, which is not renewed when it
expires.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from airflow_provider_usedesk.webhook.auth import WebhookSecrets
    from airflow_provider_usedesk.webhook.rest import AirflowApi


def main(arguments: list[str] | None = None) -> int:
    """
    Serve until the process is stopped.

    :param arguments: arguments of the command line; default: those of the process
    :return: exit status: 1 if Airflow cannot be used
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    import requests

    from airflow_provider_usedesk.webhook.rest import AirflowApi, AirflowRequestError

    airflow = AirflowApi(
        options.airflow_url,
        token=os.environ.get("AIRFLOW_API_TOKEN"),
        username=os.environ.get("AIRFLOW_API_USERNAME"),
        password=os.environ.get("AIRFLOW_API_PASSWORD"),
        verify=options.ca_file or True,
    )
    try:
        logging.info("Connected to Airflow %s at %s.", airflow.check(), options.airflow_url)
    except AirflowRequestError as error:
        sys.stderr.write(f"Airflow at {options.airflow_url} cannot be used: {error}\n")
        return 1
    except requests.RequestException as error:
        sys.stderr.write(f"Airflow at {options.airflow_url} cannot be reached ({type(error).__name__}).\n")
        return 1
    _serve(standalone_app(airflow), options.host, options.port)
    return 0


def standalone_app(airflow: AirflowApi) -> ASGIApp:
    """Return the receiver at the same path as in Airflow's API server."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from airflow_provider_usedesk.webhook.app import build_app
    from airflow_provider_usedesk.webhook.auth import Authenticator
    from airflow_provider_usedesk.webhook.rest import RestStore

    receiver = build_app(Authenticator(secrets_in_environment), RestStore(airflow))
    return Starlette(routes=[Mount("/usedesk", receiver)])


def secrets_in_environment(conn_id: str) -> WebhookSecrets | None:
    """Return the webhook secrets of a connection, read from the environment variable ``AIRFLOW_CONN_…``."""
    from airflow_provider_usedesk.compat.connection import connection_in_environment
    from airflow_provider_usedesk.webhook.auth import secrets_of

    return secrets_of(connection_in_environment(conn_id))


def _serve(app: ASGIApp, host: str, port: int) -> None:
    import uvicorn

    from airflow_provider_usedesk.webhook.connection_limits import MAX_CONNECTIONS, LimitedProtocol

    # Without access log, which would contain the secrets.
    uvicorn.run(
        app,
        host=host,
        port=port,
        http=LimitedProtocol,
        limit_concurrency=2 * MAX_CONNECTIONS,
        access_log=False,
        log_level="warning",
        lifespan="off",
        server_header=False,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_usedesk.webhook",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--airflow-url", required=True, help="address of Airflow's API server")
    parser.add_argument("--ca-file", help="file with the CA certificate of the API server")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8787, help="port to listen on (default: 8787)")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Run the sandbox: ``usedesk-sandbox``, or ``python -m airflow_provider_usedesk.sandbox``."""

from __future__ import annotations

import argparse
import logging
import shlex
import signal
import sys
import threading

from airflow_provider_usedesk.sandbox.connection_forms import VARIABLE, as_command, as_fields
from airflow_provider_usedesk.sandbox.request_log import logger
from airflow_provider_usedesk.sandbox.server import Sandbox
from airflow_provider_usedesk.sandbox.webhooks import Webhooks

DESCRIPTION = "A local Usedesk for the development of Dags, with an inbox page."


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    stopped = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.set())
    try:
        with _sandbox(options) as sandbox:
            _log_requests()
            _show(sandbox)
            stopped.wait()
    except (RuntimeError, OSError, ValueError) as error:
        sys.stderr.write(f"usedesk-sandbox: {error}\n")
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(prog="usedesk-sandbox", description=DESCRIPTION)
    add = parser.add_argument
    add("--port", type=_port, default=8765, help="0 selects a free port (default: 8765)")
    add(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 in a container: then everybody who reaches the port can read and "
        "change everything (default: 127.0.0.1)",
    )
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="name by which the sandbox can be addressed, beside localhost; the first one is in the printed "
        "URLs; repeatable (default: none; with another --host: any)",
    )
    add("--airflow-url", help="URL of Airflow, for links from a ticket to its Dag (default: none)")
    add("--state", metavar="FILE", help="file that keeps tickets, clients and files (default: none)")
    add("--token", default="sandbox-token", help="API token (default: sandbox-token)")
    add("--listing-lag", type=float, default=2.0, help="seconds until tickets are listed (default: 2)")
    add("--offset-is", choices=("page", "row"), default="page", help="unit of offset (default: page)")
    add(
        "--lenient",
        action="store_true",
        help="accept what public clients send although the pages do not allow it, and ids of another account",
    )
    add(
        "--shapes",
        choices=("pages", "clients"),
        default="pages",
        help="form of responses: as the method pages show them, or as public clients read them "
        "(default: pages)",
    )
    add("--redirect-url", help="URL to which webhooks are sent (default: none)")
    add("--delivery-status", default="DELIVERED", help="status in delivery reports (default: DELIVERED)")
    add("--webhook-delay", type=float, default=0.0, help="seconds until a report is sent (default: 0)")
    add("--webhook-form", action="store_true", help="send webhooks as forms instead of JSON")
    return parser


def _sandbox(options: argparse.Namespace) -> Sandbox:
    return Sandbox(
        options.port,
        host=options.host,
        allowed_hosts=options.allow_host,
        airflow_url=options.airflow_url,
        state=options.state,
        token=options.token,
        listing_lag=options.listing_lag,
        offset_is=options.offset_is,
        lenient=options.lenient,
        shapes=options.shapes,
        redirect_url=options.redirect_url,
        webhooks=Webhooks(
            delivery_status=options.delivery_status,
            delay=options.webhook_delay,
            encoding="form" if options.webhook_form else "json",
        ),
    )


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("the port must be a number from 0 to 65535")
    return int(text)


def _show(sandbox: Sandbox) -> None:
    _say(f"API     {sandbox.url}")
    _say(f"Inbox   {sandbox.inbox_url}")
    _say("\nThe connection for Airflow, in one of these forms:\n")
    for value in (sandbox.connection_json, sandbox.connection_uri):
        _say(f"export {VARIABLE}={shlex.quote(value)}\n")
    _say(f"{as_command(sandbox.connection)}\n")
    for name, value in as_fields(sandbox.connection):
        _say(f"{name + ':':17}{value}")
    _say("\nPress Ctrl-C to stop.")


def _log_requests() -> None:
    """Write a line for each request to the standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

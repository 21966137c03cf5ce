"""Run the sandbox: ``python -m airflow_provider_usedesk.sandbox``."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading

from airflow_provider_usedesk.sandbox.server import Sandbox
from airflow_provider_usedesk.sandbox.webhooks import Webhooks


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    stopped = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.set())
    try:
        with _sandbox(options) as sandbox:
            _say(f"API     {sandbox.url}")
            _say(f"Inbox   {sandbox.inbox_url}")
            _say(f"export AIRFLOW_CONN_USEDESK_DEFAULT={shlex.quote(sandbox.connection_json)}")
            _say("Press Ctrl-C to stop.")
            stopped.wait()
    except (RuntimeError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _sandbox(options: argparse.Namespace) -> Sandbox:
    return Sandbox(
        options.port,
        token=options.token,
        listing_lag=options.listing_lag,
        offset_is=options.offset_is,
        redirect_url=options.redirect_url,
        webhooks=Webhooks(
            delivery_status=options.delivery_status,
            delay=options.webhook_delay,
            encoding="form" if options.webhook_form else "json",
        ),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_usedesk.sandbox", description=__doc__)
    add = parser.add_argument
    add("--port", type=int, default=8765, help="0 selects a free port (default: 8765)")
    add("--token", default="sandbox-token", help="API token (default: sandbox-token)")
    add("--listing-lag", type=float, default=2.0, help="seconds until tickets are listed (default: 2)")
    add("--offset-is", choices=("page", "row"), default="page", help="unit of offset (default: page)")
    add("--redirect-url", help="URL to which webhooks are sent (default: none)")
    add("--delivery-status", default="DELIVERED", help="status in delivery reports (default: DELIVERED)")
    add("--webhook-delay", type=float, default=0.0, help="seconds until a report is sent (default: 0)")
    add("--webhook-form", action="store_true", help="send webhooks as forms instead of JSON")
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

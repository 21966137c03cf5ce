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
        webhooks = _webhooks(options)
        with Sandbox(**vars(options), webhooks=webhooks) as sandbox:
            _say(f"API     {sandbox.url}")
            _say(f"Inbox   {sandbox.inbox_url}")
            _say(f"export AIRFLOW_CONN_USEDESK_DEFAULT={shlex.quote(sandbox.connection_json)}")
            _say("Ctrl-C ends it.")
            stopped.wait()
    except (RuntimeError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _webhooks(options: argparse.Namespace) -> Webhooks:
    """Take what concerns webhooks out of the options."""
    given = vars(options)
    return Webhooks(
        delivery_status=given.pop("delivery_status"),
        delay=given.pop("webhook_delay"),
        encoding="form" if given.pop("webhook_form") else "json",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_usedesk.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one (default: 8765)")
    parser.add_argument("--base-path", default="/uapi", help="path of the API (default: /uapi)")
    parser.add_argument("--token", default="sandbox-token", help="API token (default: sandbox-token)")
    parser.add_argument(
        "--errors-status", type=int, default=200, help="HTTP status of refusals (default: 200)"
    )
    parser.add_argument("--listing-lag", type=float, default=2.0, help="seconds until tickets are listed")
    parser.add_argument("--offset-is", choices=("page", "row"), default="page", help="what offset counts")
    parser.add_argument("--redirect-url", help="where webhooks are sent (default: nowhere)")
    parser.add_argument("--delivery-status", default="DELIVERED", help="what delivery reports say")
    parser.add_argument("--webhook-delay", type=float, default=0.0, help="seconds until a report is sent")
    parser.add_argument("--webhook-form", action="store_true", help="send forms instead of JSON")
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

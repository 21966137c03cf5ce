"""Run the sandbox: ``python -m airflow_provider_usedesk.sandbox``."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading

from airflow_provider_usedesk.sandbox.server import Sandbox


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    stopped = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.set())
    try:
        with Sandbox(**vars(options)) as sandbox:
            _say(f"API     {sandbox.url}")
            _say(f"Inbox   {sandbox.inbox_url}")
            _say(f"export AIRFLOW_CONN_USEDESK_DEFAULT={shlex.quote(sandbox.connection_json)}")
            _say("Ctrl-C ends it.")
            stopped.wait()
    except (RuntimeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


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
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

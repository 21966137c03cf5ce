"""
Measure the CPU time of one ticket through the hook, and compare it with bare requests.

Only the time of this process counts; the server is another process and responds immediately. Each round runs
all senders, and each ratio is computed within a round, so that other load affects both values.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests

from airflow_provider_usedesk.api.client import UsedeskClient
from benchmarks._fast_server import serving
from dev.text import say

TICKET: dict[str, Any] = {
    "subject": "Invoice 1017 is overdue",
    "message": "Dear Anna, invoice 1017 of 12 March is overdue. Please pay it until Friday.",
    "client_phone": "79123456789",
    "channel_id": 66235,
    "from": "user",
    "user_id": 247423,
    "additional_id": "invoices__remind__scheduled__2026-03-21",
}
TOKEN = "benchmark"
OWN_HOOK = "hook.create_ticket, a hook for each"
HTTP_HOOK = "HttpHook.run, a hook for each"
Send = Callable[[], object]


def senders_of(url: str) -> dict[str, Send]:
    """Return the functions that send one ticket, by name."""
    # Airflow reads these when it is imported.
    os.environ["AIRFLOW_CONN_USEDESK_DEFAULT"] = json.dumps(
        {"conn_type": "usedesk", "password": TOKEN, "host": url}
    )
    from airflow_provider_usedesk.hooks.usedesk import UsedeskHook

    address, body = f"{url}/create/ticket", {"api_token": TOKEN, **TICKET}
    session, client, hook = requests.Session(), UsedeskClient.connect(TOKEN, url), UsedeskHook()
    return {
        "requests.post": lambda: requests.post(address, json=body, timeout=60),
        "requests.Session().post": lambda: session.post(address, json=body, timeout=60),
        "UsedeskClient.create_ticket": lambda: client.create_ticket(**TICKET),
        "hook.create_ticket": lambda: hook.create_ticket(**TICKET),
        OWN_HOOK: lambda: with_its_own_hook(UsedeskHook()),
        "of that, Airflow's look-up of the connection": lambda: UsedeskHook().get_connection(
            "usedesk_default"
        ),
        **http_hook(url, body),
    }


def http_hook(url: str, body: dict[str, Any]) -> dict[str, Send]:
    """Return the sender of the HTTP provider if it is installed."""
    os.environ["AIRFLOW_CONN_HTTP_DEFAULT"] = json.dumps({"conn_type": "http", "host": url})
    try:
        from airflow.providers.http.hooks.http import HttpHook
    except ImportError:
        return {}
    return {HTTP_HOOK: lambda: HttpHook().run("create/ticket", json=body)}


def with_its_own_hook(hook: object) -> None:
    hook.create_ticket(**TICKET)  # type: ignore[attr-defined]
    hook.client.close()  # type: ignore[attr-defined]


def measure(senders: dict[str, Send], rounds: int, sends: int) -> dict[str, list[float]]:
    """Run all senders in each round; return the CPU microseconds of one send for each round."""
    durations: dict[str, list[float]] = {name: [] for name in senders}
    for send in senders.values():
        send()
    for _ in range(rounds):
        for name, send in senders.items():
            began = time.process_time()
            for _ in range(sends):
                send()
            durations[name].append((time.process_time() - began) / sends * 1e6)
    return durations


def rows(durations: dict[str, list[float]]) -> Iterator[str]:
    """Yield a table with the ratios to the first two senders."""
    bare, session, *_ = durations.values()
    names = list(durations)[:2]
    yield f"| one ticket by | CPU µs, median | of {names[0]} | of {names[1]} |"
    yield "|---|---:|---:|---:|"
    for name, times in durations.items():
        ratios = " | ".join(f"{ratio(times, peer):.2f}" for peer in (bare, session))
        yield f"| {name} | {statistics.median(times):.0f} | {ratios} |"
    if HTTP_HOOK in durations:
        yield f"{OWN_HOOK}: {ratio(durations[OWN_HOOK], durations[HTTP_HOOK]):.2f} of {HTTP_HOOK}."


def ratio(times: list[float], peer: list[float]) -> float:
    return statistics.median(ours / theirs for ours, theirs in zip(times, peer, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=90)
    parser.add_argument("--sends", type=int, default=30, help="in each round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, serving() as server:
        os.environ.update(AIRFLOW_HOME=home, AIRFLOW__CORE__LOAD_EXAMPLES="False")
        durations = measure(senders_of(server.url), options.rounds, options.sends)
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    say(f"{options.rounds} rounds of {options.sends} sends each; {os.cpu_count()} cores, load {load}")
    say("\n".join(rows(durations)))


if __name__ == "__main__":
    main()

"""
Measure the cost of importing an operator in a Dag file, and compare it with other providers.

Each import runs in a new process, after ``airflow.sdk`` (``airflow.models`` on Airflow 2). Each round imports
all modules, so that other load affects all of them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec

MODULES = {
    "usedesk (tickets)": "airflow_provider_usedesk.operators.ticket",
    "usedesk (messages)": "airflow_provider_usedesk.operators.message",
    "usedesk (batch)": "airflow_provider_usedesk.operators.batch",
    "usedesk (sensor)": "airflow_provider_usedesk.sensors.ticket",
    "usedesk (message sensor)": "airflow_provider_usedesk.sensors.message",
    "usedesk (ticket events)": "airflow_provider_usedesk.triggers.ticket_events",
    "usedesk (notifier)": "airflow_provider_usedesk.notifications.usedesk",
    "standard (bash)": "airflow.providers.standard.operators.bash",
    "smtp": "airflow.providers.smtp.operators.smtp",
    "smtp (notifier)": "airflow.providers.smtp.notifications.smtp",
    "slack": "airflow.providers.slack.operators.slack",
    "slack (notifier)": "airflow.providers.slack.notifications.slack",
    "http": "airflow.providers.http.operators.http",
}
HTTP_LIBRARIES = ("requests", "httpx", "aiohttp", "fastapi")
PROBE = """
import importlib, json, sys, time
try:
    import airflow.sdk
except ImportError:
    import airflow.models
before = set(sys.modules)
start = time.perf_counter()
importlib.import_module({module!r})
seconds = time.perf_counter() - start
loaded = [name for name in {libraries!r} if name in sys.modules and name not in before]
print(json.dumps([seconds, len(set(sys.modules) - before), loaded]))
"""


def measure(module: str) -> tuple[float, int, list[str]]:
    """Import a module in a new process; return milliseconds, number of modules and HTTP libraries."""
    code = PROBE.format(module=module, libraries=HTTP_LIBRARIES)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    seconds, count, loaded = json.loads(done.stdout.splitlines()[-1])
    return seconds * 1000, count, loaded


def compare(modules: dict[str, str], rounds: int) -> Iterable[str]:
    """Measure all modules in each round; yield a table."""
    results: dict[str, list[tuple[float, int, list[str]]]] = {name: [] for name in modules}
    for _ in range(rounds):
        for name, module in modules.items():
            results[name].append(measure(module))
    yield f"| operator | median ms of {rounds} | modules | HTTP libraries loaded |"
    yield "|---|---:|---:|---|"
    for name, measured in results.items():
        median = statistics.median(time for time, _, _ in measured)
        _, count, loaded = measured[-1]
        yield f"| {name} | {median:.1f} | {count} | {', '.join(loaded) or 'none'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    installed = {name: module for name, module in MODULES.items() if _is_installed(module)}
    print("\n".join(compare(installed, parser.parse_args().rounds)))
    for name in MODULES.keys() - installed.keys():
        print(f"not installed, skipped: {name}")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module.rpartition(".")[0]) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    main()

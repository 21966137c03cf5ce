"""
Measure the cost of the rows of a batch without the requests: memory, time, and time to resume.

Each run reads a CSV file, checks and renders its rows, and writes a checkpoint folder and a result file. Only
the requests are replaced, because a million of them would take hours. Each run has its own process.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from dev.text import say

PROBE = """
import json, resource, sys, time
from itertools import count
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.ticket import CREATE_TICKET, WHATSAPP_TEMPLATE
from airflow_provider_usedesk.batch.row_params import RowParams
from airflow_provider_usedesk.batch.batch_io import BatchIO
from airflow_provider_usedesk.batch.folder_checkpoint import FolderCheckpoint
from airflow_provider_usedesk.batch.sender import MessageSender, RowCheck
from airflow_provider_usedesk.batch.rows import read_rows
from airflow_provider_usedesk.batch.result_file import ResultFile
from airflow_provider_usedesk.batch.send_lease import SendLease
from airflow_provider_usedesk.batch.runner import BatchRun
from airflow_provider_usedesk.batch.options import BatchOptions
from airflow_provider_usedesk.compat.stores import FolderStore

folder, stop_at = Path(sys.argv[1]), int(sys.argv[2])
lease, ids, first = SendLease(), count(1), []
client = UsedeskClient.connect("token")
check = RowCheck(client, WHATSAPP_TEMPLATE, "airflow/dag/run/task{}".format, None, Path)
sender = MessageSender(check, lease)

def send(row):
    first.extend((time.perf_counter(), time.process_time()) if not first else ())
    ticket_id = next(ids)
    if ticket_id == stop_at:
        run.stop()
    return CreatedTicket(ticket_id)

row_params = RowParams(
    shared={"channel_id": 123, "template_id": 8094, "from_": "user"},
    names=CREATE_TICKET.arguments,
    templates={"template_variables": ["{{ row.name }}", "{{ row.time }}"]},
    key="appointment",
    environment=Environment(undefined=StrictUndefined),
    context={},
)
began, began_cpu = time.perf_counter(), time.process_time()
with ResultFile(str(folder / "results.csv")) as results:
    io = BatchIO(check=sender.check, send=send, look_up=lambda *args: {}, results=results)
    rows = read_rows(str(folder / "rows.csv"))
    checkpoint = FolderCheckpoint(FolderStore(folder / "checkpoint"))
    run = BatchRun(rows, row_params, checkpoint, BatchOptions(), io, lease)
    summary = run.run()
print(json.dumps({
    "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "seconds": time.perf_counter() - began,
    "cpu_seconds": time.process_time() - began_cpu,
    "until_first": first[0] - began,
    "cpu_until_first": first[1] - began_cpu,
    "sent": summary.sent,
    "skipped": summary.skipped,
}))
"""


def write_rows(path: Path, count: int) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["appointment", "client_phone", "name", "time"])
        for number in range(count):
            writer.writerow([f"2026-11-26/{number}", f"7900{number:07d}", f"Client {number}", "18:30"])


def run(folder: Path, stop_at: int = 0) -> dict[str, float]:
    """Run one attempt in a new process."""
    command = [sys.executable, "-c", PROBE, str(folder), str(stop_at)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    # Airflow logs to the same stream.
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--resume", type=int, default=100_000, help="rows of the batch that is resumed")
    options = parser.parse_args()
    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}.")
    say("| rows | peak of the process | more than the first | seconds | CPU µs a row |")
    say("|---:|---:|---:|---:|---:|")
    least = None
    for count in options.rows:
        with tempfile.TemporaryDirectory() as name:
            write_rows(Path(name) / "rows.csv", count)
            found = run(Path(name))
        assert found["sent"] == count
        least = found["megabytes"] if least is None else least
        say(
            f"| {count:,} | {found['megabytes']:.1f} MB | {found['megabytes'] - least:.1f} MB "
            f"| {found['seconds']:.1f} | {found['cpu_seconds'] / count * 1e6:.0f} |"
        )
    half = options.resume // 2
    with tempfile.TemporaryDirectory() as name:
        write_rows(Path(name) / "rows.csv", options.resume)
        before = run(Path(name), stop_at=half)
        after = run(Path(name))
    assert before["sent"] + after["sent"] == options.resume
    say()
    say(f"| attempt of {options.resume:,} rows | seconds to the first send | CPU seconds | sent | skipped |")
    say("|---|---:|---:|---:|---:|")
    for title, found in (("the first, stopped in the middle", before), ("the next", after)):
        say(
            f"| {title} | {found['until_first']:.1f} | {found['cpu_until_first']:.1f} "
            f"| {found['sent']:,} | {found['skipped']:,} |"
        )


if __name__ == "__main__":
    main()

"""The cases of the kill matrices: where an attempt dies, and how a connection breaks."""

from __future__ import annotations

import json
from pathlib import Path

from airflow_provider_usedesk import sandbox as faults
from tests.end_to_end.dags.usedesk_batches import CASES as BATCH_DEATHS, IN_FOLDER, ROW_BY_ROW
from tests.end_to_end.dags.usedesk_dies import DEATHS
from tests.support.whole_airflow import HAS_STATE_STORES

SEED = "2026-11-22"
RANDOM_TASKS = 50

BROKEN = {
    "closed_before_reading": faults.close(),
    "closed_after_the_ticket_was_made": faults.close("after"),
    "read_timeout_ticket_made": faults.delay(4, "after"),
    "read_timeout_ticket_made_later": faults.delay(4),
    "bad_gateway": faults.html(502),
    "bad_gateway_after_the_ticket_was_made": faults.html(502, "after"),
    "login_page_with_200": faults.html(200, "after"),
    "half_an_answer": faults.half_answer(),
    "rate_refusal": faults.rate_limited(0),
    "rate_refusal_too_long_to_wait": faults.rate_limited(5),
}
TICKET_CASES = [*DEATHS, *BROKEN]
COMMENT_CASES = TICKET_CASES if HAS_STATE_STORES else list(DEATHS)

# Airflow 2.11 on SQLite runs one task at a time, so that fewer rows are sent there.
BATCH_ROWS = 120 if HAS_STATE_STORES else 40
BATCH_SEED = "2026-11-28"
BATCH_BROKEN = {
    "closed_before_reading": [faults.close()] * 3,
    "closed_after_the_ticket_was_made": [faults.close("after")] * 3,
    "read_timeout_ticket_made": [faults.delay(4, "after")] * 3,
    "read_timeout_ticket_made_later": [faults.delay(4)] * 3,
    "bad_gateway_after_the_ticket_was_made": [faults.html(502, "after")] * 3,
    "rate_refusals": [faults.rate_limited(1), faults.rate_limited(0, code_121=True)] * 3,
    "out_of_order_for_a_while": [faults.close(), faults.close("after")] * 25,
}
BATCH_RANDOM = [f"random_{number}" for number in range(3)]
# The longest first: they wait several times for the consistency delay.
_LONGEST = ["out_of_order_for_a_while", *BATCH_RANDOM, "while_looking_up"]
BATCH_CASES = (
    [*dict.fromkeys([*_LONGEST, *BATCH_DEATHS, *ROW_BY_ROW, *IN_FOLDER, *BATCH_BROKEN])]
    if HAS_STATE_STORES
    else [
        "before_the_first_checkpoint_write",
        "before_any_row_is_sent",
        "after_half_a_request",
        "before_a_response",
        "between_chunk_and_manifest",
        "after_the_last_row",
        "stopped_by_signal",
        *IN_FOLDER,
    ]
)


def batch_env(folder: Path) -> dict[str, str]:
    """Return what the Dags of the batches read from the environment."""
    return {
        "USEDESK_BATCH_CASES": json.dumps(BATCH_CASES),
        "USEDESK_BATCH_FOLDER": str(folder),
        "USEDESK_BATCH_ROWS": str(BATCH_ROWS),
        "USEDESK_BATCH_SEED": BATCH_SEED,
    }

"""A batch with recipients, attachment, checkpoint and results on S3, whose worker is killed."""

from __future__ import annotations

import json

import pytest

from tests.production.stack import BUCKET, STORAGE
from tests.production.support import check_each_once, start, wait_for_tickets

pytestmark = pytest.mark.production

ROWS = 200
INVOICE = b"%PDF-1.4 invoice"


@pytest.fixture
def bucket(airflow):
    import boto3

    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=airflow.connection(STORAGE), **keys)
    client.create_bucket(Bucket=BUCKET)
    return client


def test_batch_on_object_storage_survives_a_killed_worker(airflow, sandbox, bucket, tmp_path):
    recipients = "id,subject\n" + "".join(f"{number},Row {number}\n" for number in range(1, ROWS + 1))
    bucket.put_object(Bucket=BUCKET, Key="recipients.csv", Body=recipients.encode())
    bucket.put_object(Bucket=BUCKET, Key="invoice.pdf", Body=INVOICE)
    run = start(airflow, "production_storage", sandbox, tmp_path, options={"requests_per_minute": 600})
    wait_for_tickets(airflow, sandbox, ROWS // 2)
    worker = airflow.worker_of(run.process())
    airflow.kill(worker)
    airflow.revive(worker)
    run.wait_for_success()

    check_each_once(sandbox, "Row", ROWS)
    assert {file.content for ticket in sandbox.tickets for file in ticket.files} == {INVOICE}
    results = bucket.get_object(Bucket=BUCKET, Key="results.jsonl")["Body"].read().splitlines()
    written = {row["key"]: row["ticket_id"] for row in map(json.loads, results)}
    assert written == {ticket.subject.removeprefix("Row "): ticket.ticket_id for ticket in sandbox.tickets}
    summary = airflow.xcom("production_storage", run.run_id, "batch")
    print(f"{len(run.processes())} attempts; {summary}")
    assert summary["sent"] + summary["skipped"] == ROWS
    assert summary["skipped"] > 0
    names = [item["Key"] for item in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert any(name.startswith("checkpoints/") for name in names)

"""The sandbox as a command, and as a fixture for tests of others."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import requests


def test_the_command_serves_on_loopback_until_it_is_stopped():
    command = [sys.executable, "-m", "airflow_provider_usedesk.sandbox", "--port", "0", "--token", "mine"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        url = re.search(r"http://127\.0\.0\.1:\d+/uapi", lines[0])
        assert url is not None
        assert len(requests.post(f"{url[0]}/groups", json={"api_token": "mine"}, timeout=5).json()) == 3
        assert "AIRFLOW_CONN_USEDESK_DEFAULT=" in lines[2]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_port_that_is_taken_is_said_in_one_line(sandbox):
    port = re.search(r":(\d+)", sandbox.url.removeprefix("http://"))
    assert port is not None
    command = [sys.executable, "-m", "airflow_provider_usedesk.sandbox", "--port", port[1]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_the_extra_it_says_what_to_install():
    code = (
        "import sys; sys.modules['fastapi'] = None\n"
        "from airflow_provider_usedesk.sandbox.__main__ import main; sys.exit(main(['--port', '0']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'airflow-provider-usedesk[sandbox]'" in done.stderr


def test_the_fixture_leads_the_default_connection_to_a_sandbox(usedesk_sandbox):
    assert os.environ["AIRFLOW_CONN_USEDESK_DEFAULT"] == usedesk_sandbox.connection_json


def test_the_plugin_loads_no_server():
    code = (
        "import sys, airflow_provider_usedesk.sandbox.pytest_plugin\n"
        "assert not {'fastapi', 'uvicorn', 'airflow', 'requests'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

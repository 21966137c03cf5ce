"""The sandbox as a command and as a pytest fixture."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import requests

from airflow_provider_usedesk.sandbox.__main__ import main


def test_command_serves_until_sigterm():
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


def test_used_port_is_one_line_error(sandbox, monkeypatch, capsys):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    port = re.search(r":(\d+)", sandbox.url.removeprefix("http://"))
    assert port is not None
    assert main(["--port", port[1]]) == 1
    error = capsys.readouterr().err
    assert "in use" in error
    assert len(error.splitlines()) == 1


def test_missing_extra_names_install_command():
    code = (
        "import sys; sys.modules['fastapi'] = None\n"
        "from airflow_provider_usedesk.sandbox.__main__ import main; sys.exit(main(['--port', '0']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'airflow-provider-usedesk[sandbox]'" in done.stderr


def test_fixture_sets_default_connection(usedesk_sandbox):
    assert os.environ["AIRFLOW_CONN_USEDESK_DEFAULT"] == usedesk_sandbox.connection_json


def test_pytest_plugin_loads_no_server():
    code = (
        "import sys, airflow_provider_usedesk.sandbox.pytest_plugin\n"
        "assert not {'fastapi', 'uvicorn', 'airflow', 'requests'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

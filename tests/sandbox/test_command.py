"""The sandbox as a command and as a pytest fixture."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path

import pytest
import requests
import yaml
from airflow.models import Connection

from airflow_provider_usedesk.sandbox import Sandbox
from airflow_provider_usedesk.sandbox.__main__ import main, parser

COMMAND = [
    sys.executable,
    "-m",
    "airflow_provider_usedesk.sandbox",
    "--port",
    "0",
    "--token",
    "mine-and-secret",
]


@pytest.fixture
def command():
    """Start the command; return the process and what it printed on its start."""
    with ExitStack() as stack:

        def start(*arguments):
            process = stack.enter_context(
                subprocess.Popen(
                    [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
            )
            stack.callback(process.kill)
            lines = iter(process.stdout.readline, "")
            return process, "".join(takewhile(lambda line: "Ctrl-C" not in line, lines))

        yield start


def local_url(text):
    found = re.search(r"API +(http://\S+)", text)
    assert found is not None
    return found[1]


def test_command_serves_until_sigterm(command):
    process, text = command()
    body = {"api_token": "mine-and-secret"}
    url = local_url(text)
    assert len(requests.post(f"{url}/groups", json=body, timeout=60).json()) == 3
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def test_connection_is_printed_in_all_forms(command):
    _, text = command("--allow-host", "usedesk.example")
    assert local_url(text).startswith("http://usedesk.example:")
    values = [shlex.split(line)[1].partition("=")[2] for line in text.splitlines() if "export" in line]
    by_json, by_uri = Connection.from_json(values[0]), Connection(uri=values[1])
    [added] = [shlex.split(line) for line in text.splitlines() if line.startswith("airflow connections add")]
    fields = dict(re.findall(r"^([A-Z][\w ]+): +(.+)$", text, re.MULTILINE))
    assert added[3:5] == ["usedesk_default", "--conn-json"]
    for one in (by_json, by_uri, Connection.from_json(added[5])):
        assert one.host == fields["Host"] == local_url(text)
        assert one.password == fields["Password"] == "mine-and-secret"
        assert one.extra_dejson == json.loads(fields["Extra"])
        assert one.extra_dejson["consistency_delay"] == 5


def test_each_request_is_one_line(command):
    process, text = command()
    url = local_url(text)
    ticket = {
        "api_token": "mine-and-secret",
        "subject": "Qwertyuiop",
        "message": "m",
        "client_phone": "79120000001",
    }
    created = requests.post(f"{url}/create/ticket", json=ticket, timeout=60).json()["ticket_id"]
    requests.post(f"{url}/create/ticket", json={**ticket, "api_token": "another-token"}, timeout=60)
    requests.post(f"{url}/create/ticket", json={**ticket, "status": "77"}, timeout=60)
    process.send_signal(signal.SIGTERM)
    log = process.communicate(timeout=60)[1]
    lines = [line.partition(" ")[2] for line in log.splitlines()]
    assert lines[:2] == [
        f"POST create/ticket 200 ticket {created}",
        "POST create/ticket 200 refused: 112 invalid token",
    ]
    assert lines[2].startswith("POST create/ticket 200 refused: ")
    assert "status is unknown" in lines[2]
    assert len(lines) == 3
    for secret in ("mine-and-secret", "another-token", "Qwertyuiop", "79120000001"):
        assert secret not in log


WRONG_PORTS = {"x": "from 0 to 65535", "-1": "from 0 to 65535", "65536": "from 0 to 65535", "²": "from 0"}


@pytest.mark.parametrize("port", WRONG_PORTS)
def test_wrong_port_is_named(capsys, port):
    with pytest.raises(SystemExit):
        main([f"--port={port}"])
    assert WRONG_PORTS[port] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--port", "{used}"], "port {used} is in use; choose another with --port"),
        (["--port", "0", "--host", "192.0.2.1"], "192.0.2.1 is no address of this machine; choose another"),
        (["--port", "0", "--airflow-url", "airflow"], "airflow_url must be an http or https URL."),
        (["--port", "0", "--redirect-url", "x"], "The Redirect URL must be an http or https URL."),
        (["--port", "0", "--webhook-delay", "-1"], "delay must be a number of seconds from 0 to 3600."),
    ],
)
def test_error_is_one_plain_line(sandbox, monkeypatch, capsys, arguments, text):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    used = sandbox.url.removeprefix("http://127.0.0.1:").partition("/")[0]
    assert main([one.format(used=used) for one in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"usedesk-sandbox: {text.format(used=used)}")
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "accepted", "refused"),
    [
        ({"host": "0.0.0.0"}, ["usedesk:8765", "localhost"], []),
        ({"host": "0.0.0.0", "allowed_hosts": ["usedesk"]}, ["usedesk", "localhost"], ["evil.example"]),
        ({"allowed_hosts": ["usedesk"]}, ["usedesk", "127.0.0.1"], ["evil.example"]),
    ],
    ids=["any", "named", "loopback"],
)
def test_host_names(http, options, accepted, refused):
    with Sandbox(**options) as sandbox:
        port = re.search(r":(\d+)/", sandbox.inbox_url)
        statuses = {
            name: http.get(f"http://127.0.0.1:{port[1]}/", headers={"Host": name}, timeout=60).status_code
            for name in (*accepted, *refused)
        }
    assert statuses == {**dict.fromkeys(accepted, 200), **dict.fromkeys(refused, 400)}


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


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [([], (False, "pages")), (["--lenient", "--shapes", "clients"], (True, "clients"))],
)
def test_checks_and_shapes_are_options(monkeypatch, arguments, expected):
    def sandbox(*_, **options):
        assert (options["lenient"], options["shapes"]) == expected
        raise RuntimeError("not started")

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr("airflow_provider_usedesk.sandbox.__main__.Sandbox", sandbox)
    assert main(arguments) == 1


class TestOptions:
    @pytest.fixture
    def usedesk_sandbox_options(self):
        return {"token": "other-token"}

    def test_fixture_takes_options(self, usedesk_sandbox):
        assert usedesk_sandbox.token == "other-token"


def test_pytest_plugin_loads_no_server():
    code = (
        "import sys, airflow_provider_usedesk.sandbox.pytest_plugin\n"
        "assert not {'fastapi', 'uvicorn', 'airflow', 'requests'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


DOCS = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()


def test_compose_files_of_the_docs():
    files = [yaml.safe_load(block) for block in re.findall("```yaml\n(.*?)```", DOCS, re.DOTALL)]
    services = [one["services"]["usedesk"] for one in files if "services" in one]
    [variable] = [one["AIRFLOW_CONN_USEDESK_DEFAULT"] for one in files if "services" not in one]
    assert len(services) == 2
    for service in services:
        program, *arguments = service["command"]
        options = parser().parse_args(arguments)
        assert program == parser().prog
        assert (options.host, options.allow_host, options.port) == ("0.0.0.0", ["usedesk"], 8765)
        assert service["ports"] == ["127.0.0.1:8765:8765"]
    connection = Connection.from_json(variable)
    assert (connection.host, connection.password) == ("http://usedesk:8765/uapi", options.token)


def test_docs_name_every_option():
    options = set(re.findall(r"--[a-z-]+", parser().format_help())) - {"--help"}
    assert {option for option in options if f"| `{option}` |" not in DOCS} == set()

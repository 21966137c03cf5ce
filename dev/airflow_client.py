"""A client of Airflow's public REST API, for what a person does in the UI."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

FINAL_RUN_STATES = frozenset({"success", "failed"})
UNFINISHED_OR_FAILED = frozenset({"failed", "running", "up_for_retry"})
LOG_END = 8_000
NOT_MAPPED = -1
REQUEST_TIMEOUT = 60
HEALTH_TIMEOUT = 5
PAGE = 100


class AirflowClientError(RuntimeError):
    """Airflow refused a call, or a wait timed out."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class DagRun:
    dag_id: str
    run_id: str
    state: str
    conf: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskInstance:
    task_id: str
    map_index: int
    state: str
    try_number: int
    duration: float | None
    rendered_fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return _name(self.task_id, self.map_index)


@dataclass(frozen=True)
class XComEntry:
    task_id: str
    map_index: int
    key: str
    value: Any

    @property
    def task_name(self) -> str:
        return _name(self.task_id, self.map_index)


@dataclass(frozen=True)
class DagImportError:
    filename: str
    stack_trace: str


class AirflowClient:
    """Calls the Airflow at `url` as an administrator; that Airflow must ask for no password."""

    api = "/api/v2"

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        # A proxy for the internet must not receive calls to this machine.
        self._session.trust_env = False
        # SQLite may be locked by another component; Airflow then stores nothing and returns HTTP 500.
        retry = Retry(
            total=5,
            connect=0,
            read=0,
            allowed_methods=None,
            status_forcelist=[500],
            backoff_factor=0.2,
            raise_on_status=False,
        )
        self._session.mount("http://", HTTPAdapter(max_retries=retry))

    def version(self) -> str:
        return str(self.call("GET", "/version")["version"])

    def health(self) -> dict[str, str]:
        """Return the status of each component."""
        response = self.call("GET", "/monitor/health", timeout=HEALTH_TIMEOUT)
        return {name: str(part["status"]) for name, part in response.items() if part and part.get("status")}

    def import_errors(self) -> tuple[DagImportError, ...]:
        return tuple(
            DagImportError(error["filename"] or "", error["stack_trace"] or "")
            for error in self._pages("/importErrors", "import_errors")
        )

    def wait_for_dag(self, dag_id: str, timeout: float = 300) -> None:
        """Wait until the file of the Dag is parsed; raise with the import errors otherwise."""

        def details() -> str:
            traces = "\n".join(f"{error.filename}\n{error.stack_trace}" for error in self.import_errors())
            return f"import errors:\n{traces}" if traces else "no import errors"

        self._wait(lambda: self._is_parsed(dag_id), f"Dag {dag_id} was not parsed", details, timeout)

    def pause(self, dag_id: str) -> None:
        self.call("PATCH", f"/dags/{quote(dag_id)}", json={"is_paused": True})

    def unpause(self, dag_id: str) -> None:
        self.call("PATCH", f"/dags/{quote(dag_id)}", json={"is_paused": False})

    def trigger(
        self,
        dag_id: str,
        conf: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        logical_date: str | None = None,
    ) -> DagRun:
        """Trigger a run; without a logical date it has no data interval."""
        body: dict[str, Any] = {"logical_date": logical_date, "conf": dict(conf or {})}
        if run_id:
            body["dag_run_id"] = run_id
        return _dag_run(self.call("POST", f"/dags/{quote(dag_id)}/dagRuns", json=body))

    def dag_run(self, dag_id: str, run_id: str) -> DagRun:
        return _dag_run(self.call("GET", _run_path(dag_id, run_id)))

    def wait_for_run(self, dag_id: str, run_id: str, timeout: float = 300) -> DagRun:
        """Wait until the run has ended, in success or failure."""

        def over() -> bool:
            return self.dag_run(dag_id, run_id).state in FINAL_RUN_STATES

        report = partial(self._run_report, dag_id, run_id)
        self._wait(over, f"run {run_id} of {dag_id} has not ended", report, timeout)
        return self.dag_run(dag_id, run_id)

    def wait_for_success(self, dag_id: str, run_id: str, timeout: float = 300) -> DagRun:
        """Wait until the run has ended; raise with the logs if it failed."""
        run = self.wait_for_run(dag_id, run_id, timeout)
        if run.state != "success":
            raise AirflowClientError(f"run {run_id} of {dag_id} failed; {self._run_report(dag_id, run_id)}")
        return run

    def run(self, dag_id: str, conf: Mapping[str, Any] | None = None, *, timeout: float = 300) -> DagRun:
        """Wait for the Dag, unpause and trigger it, and wait until the run has ended."""
        self.wait_for_dag(dag_id)
        self.unpause(dag_id)
        return self.wait_for_run(dag_id, self.trigger(dag_id, conf).run_id, timeout)

    def task_instances(self, dag_id: str, run_id: str) -> tuple[TaskInstance, ...]:
        """Return them in the order of their start; those that did not start come last."""
        found = self._pages(f"{_run_path(dag_id, run_id)}/taskInstances", "task_instances")
        ordered = sorted(
            found, key=lambda task: (task["start_date"] or "~", task["task_id"], task["map_index"])
        )
        return tuple(_task_instance(task) for task in ordered)

    def task_instance(
        self, dag_id: str, run_id: str, task_id: str, *, map_index: int = NOT_MAPPED
    ) -> TaskInstance:
        mapped = "" if map_index == NOT_MAPPED else f"/{map_index}"
        return _task_instance(self.call("GET", f"{_task_path(dag_id, run_id, task_id)}{mapped}"))

    def rendered_fields(
        self, dag_id: str, run_id: str, task_id: str, *, map_index: int = NOT_MAPPED
    ) -> Mapping[str, Any]:
        return self.task_instance(dag_id, run_id, task_id, map_index=map_index).rendered_fields

    def xcoms(self, dag_id: str, run_id: str, task_id: str) -> tuple[XComEntry, ...]:
        """Return every XCom of the task, of all its mapped instances."""
        found = list(self._pages(f"{_task_path(dag_id, run_id, task_id)}/xcomEntries", "xcom_entries"))
        places = sorted((entry["map_index"], entry["key"]) for entry in found)
        return tuple(
            XComEntry(task_id, index, key, self.xcom(dag_id, run_id, task_id, key, map_index=index))
            for index, key in places
        )

    def xcom(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        key: str = "return_value",
        *,
        map_index: int = NOT_MAPPED,
    ) -> Any:
        path = f"{_task_path(dag_id, run_id, task_id)}/xcomEntries/{quote(key, safe='')}"
        return self.call("GET", path, params={"map_index": map_index, "stringify": False})["value"]

    def task_log(
        self, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1, map_index: int = NOT_MAPPED
    ) -> str:
        """Return the log as the UI shows it, one line for each event with all its fields."""
        path = f"{_task_path(dag_id, run_id, task_id)}/logs/{try_number}"
        response = self.call("GET", path, params={"map_index": map_index, "full_content": "true"})
        content = response["content"]
        return content if isinstance(content, str) else "\n".join(_log_line(event) for event in content)

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        """Clear the tasks, so that they run again."""
        body = {
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "dry_run": False,
            "only_failed": False,
            "reset_dag_runs": True,
        }
        self.call("POST", f"/dags/{quote(dag_id)}/clearTaskInstances", json=body)

    def create_connection(
        self, connection_id: str, conn_type: str, *, extra: Mapping[str, Any] | None = None, **fields: Any
    ) -> None:
        """Create a connection, which the UI shows."""
        names = {"connection_id": connection_id, "conn_type": conn_type}
        self.call("POST", "/connections", json={**names, "extra": json.dumps(dict(extra or {})), **fields})

    def call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """Call a path below :attr:`api` that has no method here."""
        response = self.request(method, f"{self.api}{path}", **arguments)
        if not response.ok:
            message = f"{method} {path}: HTTP {response.status_code}: {response.text[:2000]}"
            raise AirflowClientError(message, status=response.status_code)
        result: dict[str, Any] = response.json() if response.content else {}
        return result

    def request(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Request any path of this Airflow."""
        response = self._send(method, path, arguments)
        if response.status_code == requests.codes.unauthorized:
            self._log_in()
            response = self._send(method, path, arguments)
        return response

    def links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str | None]:
        """Return the links of a task that the UI shows, by name."""
        found = self.call("GET", f"{_task_path(dag_id, run_id, task_id)}/links")
        links: dict[str, str | None] = found.get("extra_links", found)
        return {name: url for name, url in links.items() if name != "total_entries"}

    def check_alive(self) -> None:
        """Raise if a wait can no longer succeed."""

    def _send(self, method: str, path: str, arguments: Mapping[str, Any]) -> requests.Response:
        try:
            return self._session.request(
                method, f"{self.url}{path}", **{"timeout": REQUEST_TIMEOUT, **arguments}
            )
        except requests.RequestException as error:
            raise AirflowClientError(f"{method} {path}: {error}") from error

    def _run_report(self, dag_id: str, run_id: str) -> str:
        """Return the states of the tasks, the audit log, and the logs of the tasks that did not succeed."""
        tasks = self.task_instances(dag_id, run_id)
        states = ", ".join(f"{task.name}={task.state}" for task in tasks)
        filters = {"dag_id": dag_id, "run_id": run_id}
        audit_log = [
            f"{entry['when']} {entry['task_id']} {entry['event']}: {entry['extra']}"
            for entry in self._pages("/eventLogs", "event_logs", filters)
        ]
        logs = [self._log_of(dag_id, run_id, task) for task in tasks if task.state in UNFINISHED_OR_FAILED]
        return "\n".join([f"the tasks are: {states}", *audit_log, *logs])

    def _log_of(self, dag_id: str, run_id: str, task: TaskInstance) -> str:
        last, index = max(task.try_number, 1), task.map_index
        try:
            log = self.task_log(dag_id, run_id, task.task_id, try_number=last, map_index=index)
        except AirflowClientError as error:
            log = str(error)
        return f"--- {task.name}, try {task.try_number}\n{log[-LOG_END:]}"

    def _log_in(self) -> None:
        response = self._send("GET", "/auth/token", {})
        if not response.ok:
            raise AirflowClientError(f"no token: HTTP {response.status_code}", status=response.status_code)
        self._session.headers["Authorization"] = f"Bearer {response.json()['access_token']}"

    def _pages(
        self, path: str, name: str, params: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        offset = 0
        part = {**(params or {}), "limit": PAGE}
        while page := self.call("GET", path, params={**part, "offset": offset})[name]:
            yield from page
            offset += len(page)

    def _is_parsed(self, dag_id: str) -> bool:
        try:
            return not self.call("GET", f"/dags/{quote(dag_id)}")["is_stale"]
        except AirflowClientError as error:
            if error.status == requests.codes.not_found:
                return False
            raise

    def _wait(
        self, done: Callable[[], bool], problem: str, details: Callable[[], str], timeout: float
    ) -> None:
        deadline = time.monotonic() + timeout
        while not done():
            self.check_alive()
            if time.monotonic() > deadline:
                raise AirflowClientError(f"{problem} after {timeout:.0f} s; {details()}")
            time.sleep(0.3)


def _name(task_id: str, map_index: int) -> str:
    return task_id if map_index == NOT_MAPPED else f"{task_id}[{map_index}]"


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"


def _task_path(dag_id: str, run_id: str, task_id: str) -> str:
    return f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}"


def _dag_run(response: Mapping[str, Any]) -> DagRun:
    return DagRun(response["dag_id"], response["dag_run_id"], response["state"], response["conf"] or {})


def _task_instance(response: Mapping[str, Any]) -> TaskInstance:
    return TaskInstance(
        task_id=response["task_id"],
        map_index=response["map_index"],
        state=response["state"] or "none",
        try_number=response["try_number"],
        duration=response["duration"],
        rendered_fields=response.get("rendered_fields") or {},
    )


def _log_line(event: Mapping[str, Any] | str) -> str:
    if isinstance(event, str):
        return event
    named = {"timestamp", "level", "event", "error_detail"}
    rest = {key: value for key, value in event.items() if key not in named and value}
    line = f"{event.get('timestamp') or ''} {event.get('level') or ''} {event.get('event', '')}".strip()
    line = f"{line} {json.dumps(rest, ensure_ascii=False, default=str)}" if rest else line
    return "\n".join([line, *(_exception(error) for error in event.get("error_detail") or ())])


def _exception(error: Mapping[str, Any]) -> str:
    frames = [f"  {frame['filename']}:{frame['lineno']} in {frame['name']}" for frame in error["frames"]]
    notes = [f"  {note}" for note in error.get("exc_notes") or ()]
    return "\n".join([*frames, f"{error['exc_type']}: {error['exc_value']}", *notes])

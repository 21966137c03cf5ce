"""What a person does in the Airflow UI, done over Airflow's public REST API."""

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
TROUBLED = frozenset({"failed", "running", "up_for_retry"})
LOG_END = 8_000
NOT_MAPPED = -1
REQUEST_TIMEOUT = 60
HEALTH_TIMEOUT = 5
PAGE = 100


class AirflowClientError(RuntimeError):
    """Airflow refused a call, or what was waited for did not come."""

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
class ImportFault:
    filename: str
    stack_trace: str


class AirflowClient:
    """Talks to the Airflow at `url` as an administrator; that Airflow asks for no password."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        # A proxy set up for the internet must not catch calls to this machine.
        self._session.trust_env = False
        # SQLite may be locked by another component; Airflow then stores nothing and answers with HTTP 500.
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
        """The status of each component."""
        answer = self.call("GET", "/monitor/health", timeout=HEALTH_TIMEOUT)
        return {name: str(part["status"]) for name, part in answer.items() if part and part.get("status")}

    def import_errors(self) -> tuple[ImportFault, ...]:
        return tuple(
            ImportFault(error["filename"] or "", error["stack_trace"] or "")
            for error in self._pages("/importErrors", "import_errors")
        )

    def wait_for_dag(self, dag_id: str, timeout: float = 60) -> None:
        """Wait until the Dag's file is parsed; say why not when it cannot be imported."""

        def trouble() -> str:
            traces = "\n".join(f"{fault.filename}\n{fault.stack_trace}" for fault in self.import_errors())
            return f"import errors:\n{traces}" if traces else "no import errors"

        self._wait(lambda: self._dag_is_there(dag_id), f"Dag {dag_id} was not parsed", trouble, timeout)

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
        """Without a logical date the run has no data interval either."""
        body: dict[str, Any] = {"logical_date": logical_date, "conf": dict(conf or {})}
        if run_id:
            body["dag_run_id"] = run_id
        return _dag_run(self.call("POST", f"/dags/{quote(dag_id)}/dagRuns", json=body))

    def dag_run(self, dag_id: str, run_id: str) -> DagRun:
        return _dag_run(self.call("GET", _run_path(dag_id, run_id)))

    def wait_for_run(self, dag_id: str, run_id: str, timeout: float = 300) -> DagRun:
        """Wait until the run is over, with success or without."""

        def over() -> bool:
            return self.dag_run(dag_id, run_id).state in FINAL_RUN_STATES

        story = partial(self._story, dag_id, run_id)
        self._wait(over, f"run {run_id} of {dag_id} is not over", story, timeout)
        return self.dag_run(dag_id, run_id)

    def wait_for_success(self, dag_id: str, run_id: str, timeout: float = 300) -> DagRun:
        """Wait until the run is over; raise when it failed, with what is known of why."""
        run = self.wait_for_run(dag_id, run_id, timeout)
        if run.state != "success":
            raise AirflowClientError(f"run {run_id} of {dag_id} failed; {self._story(dag_id, run_id)}")
        return run

    def run(self, dag_id: str, conf: Mapping[str, Any] | None = None, *, timeout: float = 300) -> DagRun:
        """Wait for the Dag, switch it on, trigger it and wait until the run is over."""
        self.wait_for_dag(dag_id)
        self.unpause(dag_id)
        return self.wait_for_run(dag_id, self.trigger(dag_id, conf).run_id, timeout)

    def task_instances(self, dag_id: str, run_id: str) -> tuple[TaskInstance, ...]:
        """In the order they started, those that did not start last."""
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
        """Every XCom the task pushed, of all its mapped instances."""
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
        return self.call("GET", path, params={"map_index": map_index})["value"]

    def task_log(
        self, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1, map_index: int = NOT_MAPPED
    ) -> str:
        """The log as the UI has it, one line per event with all it carries."""
        path = f"{_task_path(dag_id, run_id, task_id)}/logs/{try_number}"
        answer = self.call("GET", path, params={"map_index": map_index, "full_content": "true"})
        content = answer["content"]
        return content if isinstance(content, str) else "\n".join(_log_line(event) for event in content)

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        """Have the tasks run again, as the UI's Clear button does."""
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
        """Put a connection where the UI shows and edits it."""
        names = {"connection_id": connection_id, "conn_type": conn_type}
        self.call("POST", "/connections", json={**names, "extra": json.dumps(dict(extra or {})), **fields})

    def call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """One call below /api/v2, for what has no method here."""
        answer = self._send(method, f"/api/v2{path}", arguments)
        if answer.status_code == requests.codes.unauthorized:
            self._log_in()
            answer = self._send(method, f"/api/v2{path}", arguments)
        if not answer.ok:
            message = f"{method} {path}: HTTP {answer.status_code}: {answer.text[:2000]}"
            raise AirflowClientError(message, status=answer.status_code)
        result: dict[str, Any] = answer.json() if answer.content else {}
        return result

    def check_alive(self) -> None:
        """Raise when waiting has become pointless."""

    def _send(self, method: str, path: str, arguments: Mapping[str, Any]) -> requests.Response:
        try:
            return self._session.request(
                method, f"{self.url}{path}", **{"timeout": REQUEST_TIMEOUT, **arguments}
            )
        except requests.RequestException as error:
            raise AirflowClientError(f"{method} {path}: {error}") from error

    def _story(self, dag_id: str, run_id: str) -> str:
        """The states of the tasks, the logs of those that did not succeed, and what Airflow noted besides."""
        tasks = self.task_instances(dag_id, run_id)
        states = ", ".join(f"{task.name}={task.state}" for task in tasks)
        of_run = {"dag_id": dag_id, "run_id": run_id}
        noted = [
            f"{entry['when']} {entry['task_id']} {entry['event']}: {entry['extra']}"
            for entry in self._pages("/eventLogs", "event_logs", of_run)
        ]
        logs = [self._log_of(dag_id, run_id, task) for task in tasks if task.state in TROUBLED]
        return "\n".join([f"the tasks are: {states}", *noted, *logs])

    def _log_of(self, dag_id: str, run_id: str, task: TaskInstance) -> str:
        last, index = max(task.try_number, 1), task.map_index
        try:
            log = self.task_log(dag_id, run_id, task.task_id, try_number=last, map_index=index)
        except AirflowClientError as error:
            log = str(error)
        return f"--- {task.name}, try {task.try_number}\n{log[-LOG_END:]}"

    def _log_in(self) -> None:
        answer = self._send("GET", "/auth/token", {})
        if not answer.ok:
            raise AirflowClientError(f"no token: HTTP {answer.status_code}", status=answer.status_code)
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def _pages(
        self, path: str, name: str, params: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        offset = 0
        part = {**(params or {}), "limit": PAGE}
        while page := self.call("GET", path, params={**part, "offset": offset})[name]:
            yield from page
            offset += len(page)

    def _dag_is_there(self, dag_id: str) -> bool:
        try:
            return not self.call("GET", f"/dags/{quote(dag_id)}")["is_stale"]
        except AirflowClientError as error:
            if error.status == requests.codes.not_found:
                return False
            raise

    def _wait(
        self, done: Callable[[], bool], complaint: str, trouble: Callable[[], str], timeout: float
    ) -> None:
        deadline = time.monotonic() + timeout
        while not done():
            self.check_alive()
            if time.monotonic() > deadline:
                raise AirflowClientError(f"{complaint} after {timeout:.0f} s; {trouble()}")
            time.sleep(0.3)


def _name(task_id: str, map_index: int) -> str:
    return task_id if map_index == NOT_MAPPED else f"{task_id}[{map_index}]"


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"


def _task_path(dag_id: str, run_id: str, task_id: str) -> str:
    return f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}"


def _dag_run(answer: Mapping[str, Any]) -> DagRun:
    return DagRun(answer["dag_id"], answer["dag_run_id"], answer["state"], answer["conf"] or {})


def _task_instance(answer: Mapping[str, Any]) -> TaskInstance:
    return TaskInstance(
        task_id=answer["task_id"],
        map_index=answer["map_index"],
        state=answer["state"] or "none",
        try_number=answer["try_number"],
        duration=answer["duration"],
        rendered_fields=answer.get("rendered_fields") or {},
    )


def _log_line(event: Mapping[str, Any] | str) -> str:
    if isinstance(event, str):
        return event
    apart = {"timestamp", "level", "event", "error_detail"}
    rest = {key: value for key, value in event.items() if key not in apart and value}
    line = f"{event.get('timestamp') or ''} {event.get('level') or ''} {event.get('event', '')}".strip()
    line = f"{line} {json.dumps(rest, ensure_ascii=False, default=str)}" if rest else line
    return "\n".join([line, *(_exception(error) for error in event.get("error_detail") or ())])


def _exception(error: Mapping[str, Any]) -> str:
    frames = [f"  {frame['filename']}:{frame['lineno']} in {frame['name']}" for frame in error["frames"]]
    notes = [f"  {note}" for note in error.get("exc_notes") or ()]
    return "\n".join([*frames, f"{error['exc_type']}: {error['exc_value']}", *notes])

"""The incident that a callback reports, and the default texts about it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

MAX_SUBJECT = 255
MAX_ERROR = 500

# What happened to a task or Dag run, by its state at the time of the callback.
VERBS = {
    "failed": "failed",
    "up_for_retry": "failed and will be tried again",
    "success": "succeeded",
    "skipped": "was skipped",
    "running": "started",
    # dag.test() of Airflow 2 runs a task without setting it to running.
    "scheduled": "started",
    "queued": "started",
}


@dataclass(frozen=True)
class Incident:
    """
    The facts of the event that Airflow called back for; None for what the context does not contain.

    :param about: what the callback belongs to: a task, a whole Dag run, a deadline, or an SLA of Airflow 2.11
    :param dag_id: id of the Dag
    :param run_id: id of the Dag run
    :param task_id: id of the task; for a whole Dag run, the one that Airflow names as the last
    :param map_index: index of the mapped task instance; None if the task is not mapped
    :param try_number: number of the attempt, from 1
    :param max_tries: number of all attempts of the task
    :param state: state of the task or the Dag run
    :param error: type and text of the exception, on one line
    :param log_url: URL of the task's log
    :param deadline: time at which the run was due
    :param late_tasks: ids of the tasks that missed an SLA
    """

    about: Literal["task", "dag", "deadline", "sla"]
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None
    try_number: int | None = None
    max_tries: int | None = None
    state: str | None = None
    error: str | None = None
    log_url: str | None = None
    deadline: str | None = None
    late_tasks: tuple[str, ...] = ()

    @property
    def own_task_id(self) -> str | None:
        """Id of the task that the callback belongs to; None for a Dag run, whose last task may be any."""
        return self.task_id if self.about == "task" else None


def read_incident(context: Mapping[str, Any], redact: Callable[[str], str] = str) -> Incident:
    """
    Return the facts that a context contains: that of a task, of a Dag, or the smaller one of a deadline.

    :param context: context of the callback
    :param redact: returns a text with its secrets masked
    """
    ti, run = _either(context, "ti", "task_instance"), _part(context, "dag_run")
    about = _about(context, ti)
    map_index = _part(ti, "map_index")
    try_number, max_tries = _part(ti, "try_number"), _part(ti, "max_tries")
    return Incident(
        about=about,
        dag_id=_text(_part(ti, "dag_id") or _part(_part(context, "dag"), "dag_id") or _part(run, "dag_id")),
        run_id=_text(_part(ti, "run_id") or _part(context, "run_id") or _either(run, "run_id", "dag_run_id")),
        task_id=_text(_part(ti, "task_id") or _part(_part(context, "task"), "task_id")),
        map_index=map_index if isinstance(map_index, int) and map_index >= 0 else None,
        try_number=try_number if isinstance(try_number, int) else None,
        max_tries=max_tries + 1 if isinstance(max_tries, int) else None,
        state=_state(context, about, ti, run),
        error=_error(_part(context, "exception"), redact),
        log_url=_url(_part(ti, "log_url")),
        deadline=_moment(_part(_part(context, "deadline"), "deadline_time")),
        late_tasks=tuple(
            task for sla in _listed(context.get("slas")) if (task := _text(_part(sla, "task_id")))
        ),
    )


def default_subject(incident: Incident, *, recovered: bool = False) -> str:
    """
    Return one line that says what happened.

    :param incident: the incident
    :param recovered: whether it is over
    """
    return fit_subject(f"Airflow: {_headline(incident, recovered)}")


def default_message(incident: Incident, *, recovered: bool = False) -> str:
    """
    Return an HTML text that says what happened, with all known ids and a link to the log.

    :param incident: the incident
    :param recovered: whether it is over
    """
    facts = "<br>".join(f"{name}: {html.escape(value)}" for name, value in _facts(incident))
    paragraphs = [html.escape(f"{_headline(incident, recovered)}."), facts]
    if incident.log_url:
        paragraphs.append(f'<a href="{html.escape(incident.log_url)}">Log of the task</a>')
    return "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs if paragraph)


def fit_subject(text: str) -> str:
    """Return a text as one line that Usedesk accepts as a subject."""
    return _cut(one_line(text), MAX_SUBJECT)


def fit_message(text: str, limit: int) -> str:
    """
    Return a text, cut to a number of bytes without splitting a character or an HTML tag.

    :param text: the text
    :param limit: limit in bytes of UTF-8
    """
    encoded = text.encode(errors="replace")
    if len(encoded) <= limit:
        return encoded.decode()
    return f"{re.sub(r'<[^<>]*$', '', encoded[: limit - 3].decode(errors='ignore'))}…"


def one_line(text: str) -> str:
    """Return a text on one line, without characters that cannot be printed or sent."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())


def _headline(incident: Incident, recovered: bool) -> str:
    dag = f"Dag {incident.dag_id or 'without a name'}"
    if incident.about == "deadline":
        return f"{dag} missed its deadline"
    if incident.about == "sla":
        return f"{dag} missed an SLA"
    verb = "succeeded again" if recovered else _verb(incident.state)
    if incident.about == "dag":
        return f"{dag} {verb}"
    index = "" if incident.map_index is None else f"[{incident.map_index}]"
    return f"Task {incident.task_id or 'without a name'}{index} of {dag} {verb}"


def _verb(state: str | None) -> str:
    return VERBS.get(state, f"is {state}") if state else "called back"


def _facts(incident: Incident) -> list[tuple[str, str]]:
    is_task = incident.about == "task"
    facts = {
        "Run": incident.run_id,
        "Deadline": incident.deadline,
        "Tasks": ", ".join(incident.late_tasks),
        "Last task": None if is_task else incident.task_id,
        "Try": _attempts(incident) if is_task else None,
        "State": incident.state,
        "Error": incident.error,
    }
    return [(name, value) for name, value in facts.items() if value]


def _attempts(incident: Incident) -> str | None:
    if not incident.try_number:
        return None
    # After a task was cleared, the number of the attempt may exceed the number of all attempts.
    is_known = incident.max_tries is not None and incident.max_tries >= incident.try_number
    return f"{incident.try_number} of {incident.max_tries}" if is_known else str(incident.try_number)


def _about(context: Mapping[str, Any], ti: Any) -> Literal["task", "dag", "deadline", "sla"]:
    if context.get("deadline"):
        return "deadline"
    if "blocking_tis" in context:
        return "sla"
    # Only a callback of a Dag has a reason; its context is often that of one task.
    return "dag" if ti is None or "reason" in context else "task"


def _state(context: Mapping[str, Any], about: str, ti: Any, run: Any) -> str | None:
    if about == "task":
        state = _word(_part(ti, "state"))
        return "failed" if state in (None, "running") and context.get("exception") else state
    if about == "dag" and "reason" in context:
        return "success" if context["reason"] == "success" else "failed"
    return _word(_part(run, "state"))


def _error(exception: Any, redact: Callable[[str], str]) -> str | None:
    if not exception:
        return None
    try:
        message = str(exception)
    except Exception:
        message = ""
    kind = "" if isinstance(exception, str) else type(exception).__name__
    text = ": ".join(part for part in (kind, message) if part)
    # Redacted before it is cut, because half a secret would not be recognized.
    return _cut(one_line(redact(text)), MAX_ERROR) or None


def _either(holder: Any, *names: str) -> Any:
    return next((value for name in names if (value := _part(holder, name)) is not None), None)


def _part(holder: Any, name: str) -> Any:
    """Return an attribute or an item; None if there is none, or if Airflow cannot load it in this process."""
    try:
        return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
    except Exception:
        return None


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else ()


def _text(value: Any) -> str | None:
    return one_line(str(value)) if value else None


def _word(state: Any) -> str | None:
    return str(getattr(state, "value", state)) if state else None


def _url(value: Any) -> str | None:
    return value if isinstance(value, str) and re.match("https?://", value) else None


def _moment(value: Any) -> str | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return one_line(value)
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime) else None


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"

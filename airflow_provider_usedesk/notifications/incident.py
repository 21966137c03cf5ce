"""The incident that a callback reports, and the default texts about it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from airflow_provider_usedesk.compat.callbacks import relevant_task, with_slash

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
FAILURES = ("failed", "up_for_retry")
# Why a Dag run failed, by the reason that Airflow gives; a failed task is named on a line of its own.
REASONS = {
    "task_failure": "failed",
    "timed_out": "failed: it ran longer than its dagrun_timeout",
    "all_tasks_deadlocked": "failed: none of its unfinished tasks can run (deadlock)",
}
NO_EXCEPTION = (
    "Airflow reports no exception of the task: its process was killed, died or did not start. "
    "The log may end without an error."
)


@dataclass(frozen=True)
class Incident:
    """
    The facts of the event that Airflow called back for; None for what the context does not contain.

    :param about: what the callback belongs to: a task, a whole Dag run, a deadline, or an SLA of Airflow 2.11
    :param dag_id: id of the Dag
    :param run_id: id of the Dag run
    :param task_id: id of the task; for a whole Dag run, of the one that Airflow names
    :param task_role: what the task is to a whole Dag run, such as ``Last failed task``
    :param map_index: index of the mapped task instance; None if the task is not mapped
    :param try_number: number of the attempt, from 1
    :param max_tries: number of all attempts of the task
    :param state: state of the task or the Dag run
    :param reason: why the Dag run ended, in the word of Airflow
    :param error: type and text of the exception, on one line
    :param has_died: whether the task failed without an exception
    :param log_url: URL of the task's log
    :param deadline: time at which the run was due
    :param late_tasks: ids of the tasks that missed an SLA
    """

    about: Literal["task", "dag", "deadline", "sla"]
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    task_role: str = "Last task"
    map_index: int | None = None
    try_number: int | None = None
    max_tries: int | None = None
    state: str | None = None
    reason: str | None = None
    error: str | None = None
    has_died: bool = False
    log_url: str | None = None
    deadline: str | None = None
    late_tasks: tuple[str, ...] = ()

    @property
    def own_task_id(self) -> str | None:
        """Id of the task that the callback belongs to; None for a Dag run, whose last task may be any."""
        return self.task_id if self.about == "task" else None


def read_incident(
    context: Mapping[str, Any],
    redact: Callable[[str], str] = str,
    *,
    callback: Literal["failure", "retry"] | None = None,
) -> Incident:
    """
    Return the facts that a context contains: that of a task, of a Dag, or the smaller one of a deadline.

    :param context: context of the callback
    :param redact: returns a text with its secrets masked
    :param callback: the callback of the task, if it can be only one of the two
    """
    ti, run = _either(context, "ti", "task_instance"), _part(context, "dag_run")
    about = _about(context, ti)
    task_role = "Last task"
    if about == "dag":
        ti, task_role = relevant_task(context, ti)
    state = _state(context, about, ti, run, callback)
    map_index = _part(ti, "map_index")
    try_number, max_tries = _part(ti, "try_number"), _part(ti, "max_tries")
    return Incident(
        about=about,
        dag_id=_text(_part(ti, "dag_id") or _part(_part(context, "dag"), "dag_id") or _part(run, "dag_id")),
        run_id=_text(_part(ti, "run_id") or _part(context, "run_id") or _either(run, "run_id", "dag_run_id")),
        task_id=_text(_part(ti, "task_id") or _part(_part(context, "task"), "task_id")),
        task_role=task_role,
        map_index=map_index if isinstance(map_index, int) and map_index >= 0 else None,
        try_number=try_number if isinstance(try_number, int) else None,
        max_tries=max_tries + 1 if isinstance(max_tries, int) else None,
        state=state,
        reason=_text(context.get("reason")) if about == "dag" else None,
        error=_error(_part(context, "exception"), redact),
        has_died=about == "task" and state in FAILURES and not _is_exception(context.get("exception")),
        log_url=_url(with_slash(_part(ti, "log_url"))),
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
    if incident.has_died:
        paragraphs.append(NO_EXCEPTION)
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
    if incident.about == "dag":
        return f"{dag} {'succeeded again' if recovered else _dag_verb(incident)}"
    verb = "succeeded again" if recovered else _verb(incident.state)
    index = "" if incident.map_index is None else f"[{incident.map_index}]"
    return f"Task {incident.task_id or 'without a name'}{index} of {dag} {verb}"


def _dag_verb(incident: Incident) -> str:
    if incident.reason is None or incident.state != "failed":
        return _verb(incident.state)
    return REASONS.get(incident.reason, f"failed: {incident.reason}")


def _verb(state: str | None) -> str:
    return VERBS.get(state, f"is {state}") if state else "called back"


def _facts(incident: Incident) -> list[tuple[str, str]]:
    is_task = incident.about == "task"
    facts = {
        "Run": incident.run_id,
        "Deadline": incident.deadline,
        "Tasks": ", ".join(incident.late_tasks),
        incident.task_role: None if is_task else incident.task_id,
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


def _state(context: Mapping[str, Any], about: str, ti: Any, run: Any, callback: str | None) -> str | None:
    if about == "task":
        return _task_state(context, ti, callback)
    if about == "dag" and "reason" in context:
        return "success" if context["reason"] == "success" else "failed"
    return _word(_part(run, "state"))


def _task_state(context: Mapping[str, Any], ti: Any, callback: str | None) -> str | None:
    state = _word(_part(ti, "state"))
    if state in (None, "running") and context.get("exception"):
        return "failed"
    if state is None and _part(ti, "task_id"):
        # Airflow 3 calls back in the Dag processor, without a state, only if a task failed outside of it.
        will_retry = callback == "retry" if callback else _has_tries_left(ti)
        return "up_for_retry" if will_retry else "failed"
    return state


def _has_tries_left(ti: Any) -> bool:
    try_number, max_tries = _part(ti, "try_number"), _part(ti, "max_tries")
    return isinstance(try_number, int) and isinstance(max_tries, int) and try_number <= max_tries


def _is_exception(exception: Any) -> bool:
    # Airflow 2 passes a text of its own if the process of the task died.
    return bool(exception) and not isinstance(exception, str)


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

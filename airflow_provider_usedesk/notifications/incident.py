"""What Airflow tells a callback, and the default words about it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

MAX_SUBJECT = 255
MAX_ERROR = 500

# What a task did, by its state at the time of the callback.
VERBS = {
    "failed": "failed",
    "up_for_retry": "failed and will be tried again",
    "success": "succeeded",
    "skipped": "was skipped",
    "running": "started",
    # dag.test() of Airflow 2 executes without having said that it does.
    "scheduled": "started",
    "queued": "started",
}


@dataclass(frozen=True)
class Incident:
    """
    Hold what is known of the event that Airflow called back for; None is what a context did not tell.

    :param about: what the callback belongs to: a task, a whole Dag run, a deadline, or an SLA of 2.11
    :param task_id: the task; for a whole Dag run the one that Airflow names as its last
    :param max_tries: how many tries the task has in all
    :param error: type and text of the exception on one line
    :param deadline: when the run should have been done
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
        """The task that the callback belongs to; the last task of a Dag run is any of its tasks."""
        return self.task_id if self.about == "task" else None


def read_incident(context: Mapping[str, Any], redact: Callable[[str], str] = str) -> Incident:
    """
    Read whatever context there is: of a task, of a Dag, or the few ids of a deadline.

    :param context: what Airflow hands to the callback
    :param redact: takes secrets out of a text
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
    """Say in one line what happened."""
    return fit_subject(f"Airflow: {_headline(incident, recovered)}")


def default_message(incident: Incident, *, recovered: bool = False) -> str:
    """Say in HTML what happened, with all that helps to find it."""
    facts = "<br>".join(f"{name}: {html.escape(value)}" for name, value in _facts(incident))
    paragraphs = [html.escape(f"{_headline(incident, recovered)}."), facts]
    if incident.log_url:
        paragraphs.append(f'<a href="{html.escape(incident.log_url)}">Log of the task</a>')
    return "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs if paragraph)


def fit_subject(text: str) -> str:
    """Make a text one line that Usedesk takes as a subject."""
    return _cut(one_line(text), MAX_SUBJECT)


def fit_message(text: str, limit: int) -> str:
    """Cut a text to some bytes of UTF-8, without half characters or half HTML tags."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= limit:
        return encoded.decode()
    return f"{re.sub(r'<[^<>]*$', '', encoded[: limit - 3].decode(errors='ignore'))}…"


def one_line(text: str) -> str:
    """Put a text on one line, without what cannot be printed or sent."""
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
        "Try": _tries(incident) if is_task else None,
        "State": incident.state,
        "Error": incident.error,
    }
    return [(name, value) for name, value in facts.items() if value]


def _tries(incident: Incident) -> str | None:
    if not incident.try_number:
        return None
    # Clearing a task can leave it with fewer tries than it had.
    known = incident.max_tries is not None and incident.max_tries >= incident.try_number
    return f"{incident.try_number} of {incident.max_tries}" if known else str(incident.try_number)


def _about(context: Mapping[str, Any], ti: Any) -> Literal["task", "dag", "deadline", "sla"]:
    if context.get("deadline"):
        return "deadline"
    if "blocking_tis" in context:
        return "sla"
    # Only callbacks of a Dag get a reason, and often the context of one of its tasks with it.
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
        told = str(exception)
    except Exception:
        told = ""
    kind = "" if isinstance(exception, str) else type(exception).__name__
    text = ": ".join(part for part in (kind, told) if part)
    # Secrets go first: the half of one that is cut would not be known any more.
    return _cut(one_line(redact(text)), MAX_ERROR) or None


def _either(holder: Any, *names: str) -> Any:
    return next((found for name in names if (found := _part(holder, name)) is not None), None)


def _part(holder: Any, name: str) -> Any:
    """Return a part of an object or a dict; None where there is none, or Airflow cannot load it here."""
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

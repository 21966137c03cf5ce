"""A thread that sends webhooks, repeats failed ones, and keeps the results."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import requests

from airflow_provider_usedesk.api.php import flattened
from airflow_provider_usedesk.sandbox.webhooks import Webhook, Webhooks

TIMEOUT = 10
MAX_RESULTS = 1000
MAX_RESPONSE = 4000


@dataclass(frozen=True)
class SentWebhook:
    """
    A webhook with its result.

    :param number: its sequence number, from 1
    :param kind: its subject, such as ``delivery``
    :param ticket_id: the ticket; None where there is none
    :param body: the content
    :param at: time of the last attempt, UTC; None before the first one
    :param tries: number of attempts
    :param status: HTTP status of the last response; None without a response
    :param error: name of the error if there was no response
    :param response: beginning of the body of the last response
    """

    number: int
    kind: str
    ticket_id: int | None
    body: dict[str, Any]
    at: datetime | None = None
    tries: int = 0
    status: int | None = None
    error: str | None = None
    response: str = ""

    @property
    def is_accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True)
class _Job:
    webhook: SentWebhook
    due: float
    url: str
    settings: Webhooks


class WebhookSender:
    """A queue of webhooks and the thread that sends them one at a time; starts with the first webhook."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: list[_Job] = []
        self._results: deque[SentWebhook] = deque(maxlen=MAX_RESULTS)
        self._count = 0
        self._is_sending = False
        self._is_stopped = False
        self._thread: threading.Thread | None = None

    def send(self, url: str, webhook: Webhook, settings: Webhooks) -> None:
        """Queue a webhook as many times as ``settings.repeats`` says."""
        with self._changed:
            for _ in range(settings.repeats):
                self._count += 1
                queued = SentWebhook(self._count, webhook.kind, webhook.ticket_id, webhook.body)
                self._queue.append(_Job(queued, time.monotonic() + webhook.delay, url, settings))
            self._start()
            self._changed.notify_all()

    def results(self) -> tuple[SentWebhook, ...]:
        """Return the webhooks with at least one attempt, in the order in which they were queued."""
        with self._changed:
            to_repeat = [job.webhook for job in self._queue if job.webhook.tries]
            return tuple(sorted([*self._results, *to_repeat], key=lambda one: one.number))

    def wait(self, timeout: float) -> None:
        """
        Wait until the queue is empty.

        :param timeout: seconds
        :raises TimeoutError: if it is not empty by then
        """
        with self._changed:
            if not self._changed.wait_for(lambda: not self._queue and not self._is_sending, timeout):
                raise TimeoutError(f"{len(self._queue)} webhooks are still queued after {timeout:g} s.")

    def clear(self) -> None:
        """Delete the queue and the results."""
        with self._changed:
            self._queue.clear()
            self._results.clear()
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(TIMEOUT)
            self._thread = None

    def _start(self) -> None:
        if self._thread is None:
            self._is_stopped = False
            self._thread = threading.Thread(target=self._run, name="usedesk-sandbox-webhooks", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            for job in self._due_jobs():
                self._save_result(job, _attempt(session, job))

    def _due_jobs(self) -> Iterator[_Job]:
        while True:
            with self._changed:
                while not self._is_stopped and (job := self._next_due()) is None:
                    self._changed.wait(self._seconds_until_due())
                if self._is_stopped or job is None:
                    return
                self._queue.remove(job)
                self._is_sending = True
            yield job

    def _next_due(self) -> _Job | None:
        now = time.monotonic()
        return next((job for job in self._queue if job.due <= now), None)

    def _seconds_until_due(self) -> float | None:
        times = [job.due for job in self._queue]
        return max(min(times) - time.monotonic(), 0) if times else None

    def _save_result(self, job: _Job, result: SentWebhook) -> None:
        with self._changed:
            self._is_sending = False
            if result.is_accepted or result.tries >= job.settings.tries:
                self._results.append(result)
            else:
                due = time.monotonic() + job.settings.retry_seconds
                self._queue.append(replace(job, webhook=result, due=due))
            self._changed.notify_all()


def _attempt(session: requests.Session, job: _Job) -> SentWebhook:
    body = job.webhook.body
    result = replace(
        job.webhook, tries=job.webhook.tries + 1, at=datetime.now(UTC), status=None, error=None, response=""
    )
    try:
        content = {"data": list(form_fields(body))} if job.settings.encoding == "form" else {"json": body}
        response = session.post(job.url, **content, timeout=TIMEOUT, allow_redirects=False)
    except Exception as error:
        # Any error: without this the thread would end. Only its name, because its text contains the URL.
        return replace(result, error=type(error).__name__)
    text = response.content[:MAX_RESPONSE].decode(errors="replace")
    return replace(result, status=response.status_code, response=text)


def form_fields(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the content as form fields; like PHP, with 1 and 0 for bools and without nulls."""
    for name, value in flattened(body):
        if value is not None:
            yield name, str(int(value) if isinstance(value, bool) else value)

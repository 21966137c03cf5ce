"""The thread that sends webhooks, tries again, and notes what was answered."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import requests

from airflow_provider_usedesk.sandbox.webhooks import Webhook, Webhooks

TIMEOUT = 10
MAX_KEPT = 1000


@dataclass(frozen=True)
class SentWebhook:
    """
    Hold a webhook and what came of it.

    :param number: which one it was, from 1
    :param kind: what it is about, such as ``delivery``
    :param ticket_id: the ticket; None where there is none
    :param body: what was sent
    :param at: when it was sent last, UTC; None while it waits
    :param tries: how often it was sent
    :param status: HTTP status of the last answer; None without an answer
    :param error: what went wrong without an answer
    """

    number: int
    kind: str
    ticket_id: int | None
    body: dict[str, Any]
    at: datetime | None = None
    tries: int = 0
    status: int | None = None
    error: str | None = None

    @property
    def is_answered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True)
class _Job:
    sent: SentWebhook
    due: float
    url: str
    settings: Webhooks


class WebhookSender:
    """Send webhooks one after the other, in a thread that begins with the first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[_Job] = []
        self._sent: deque[SentWebhook] = deque(maxlen=MAX_KEPT)
        self._count = 0
        self._is_sending = False
        self._is_ended = False
        self._thread: threading.Thread | None = None

    def send(self, url: str, webhook: Webhook, settings: Webhooks) -> None:
        """Send soon, as often as the settings say."""
        with self._changed:
            for _ in range(settings.repeats):
                self._count += 1
                sent = SentWebhook(self._count, webhook.kind, webhook.ticket_id, webhook.body)
                self._waiting.append(_Job(sent, time.monotonic() + webhook.delay, url, settings))
            if self._thread is None:
                self._is_ended = False
                self._thread = threading.Thread(
                    target=self._run, name="usedesk-sandbox-webhooks", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def sent(self) -> tuple[SentWebhook, ...]:
        """What was sent, and what waits to be sent again, in this order."""
        with self._changed:
            waiting = [job.sent for job in self._waiting if job.sent.tries]
            return tuple(sorted([*self._sent, *waiting], key=lambda one: one.number))

    def wait(self, timeout: float) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: not self._waiting and not self._is_sending, timeout):
                raise TimeoutError(f"{len(self._waiting)} webhooks still wait after {timeout:g} s")

    def forget(self) -> None:
        """Forget what waits and what was sent."""
        with self._changed:
            self._waiting.clear()
            self._sent.clear()
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(TIMEOUT)
            self._thread = None

    def _run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            for job in self._jobs():
                self._note(job, _sent(session, job))

    def _jobs(self) -> Iterator[_Job]:
        while True:
            with self._changed:
                while not self._is_ended and (job := self._next()) is None:
                    self._changed.wait(self._seconds_left())
                if self._is_ended or job is None:
                    return
                self._waiting.remove(job)
                self._is_sending = True
            yield job

    def _next(self) -> _Job | None:
        due = [job for job in self._waiting if job.due <= time.monotonic()]
        if not due:
            return None
        if not due[0].settings.reorder:
            return due[0]
        new = [job for job in self._waiting if job in due or not job.sent.tries]
        return max((job for job in new if job.sent.kind == due[0].sent.kind), key=lambda job: job.sent.number)

    def _seconds_left(self) -> float | None:
        dues = [job.due for job in self._waiting]
        return max(min(dues) - time.monotonic(), 0) if dues else None

    def _note(self, job: _Job, sent: SentWebhook) -> None:
        with self._changed:
            self._is_sending = False
            if sent.is_answered or sent.tries >= job.settings.tries:
                self._sent.append(sent)
            else:
                again = time.monotonic() + job.settings.retry_seconds
                self._waiting.append(replace(job, sent=sent, due=again))
            self._changed.notify_all()


def _sent(session: requests.Session, job: _Job) -> SentWebhook:
    tried = replace(job.sent, tries=job.sent.tries + 1, at=datetime.now(UTC), status=None, error=None)
    try:
        if job.settings.encoding == "form":
            pairs = list(php_pairs(job.sent.body))
            answer = session.post(job.url, data=pairs, timeout=TIMEOUT, allow_redirects=False)
        else:
            answer = session.post(job.url, json=job.sent.body, timeout=TIMEOUT, allow_redirects=False)
    except Exception as error:
        # Of any kind: the thread that ends here sends no other. Not its text, which holds the address.
        return replace(tried, error=type(error).__name__)
    return replace(tried, status=answer.status_code)


def php_pairs(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Write a tree as form fields with PHP's brackets; as PHP does it, nothing is written of nothing."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from php_pairs(item, f"{name}[{key}]" if name else str(key))
    elif isinstance(value, list):
        yield from php_pairs(dict(enumerate(value)), name)
    elif value is not None:
        yield name, str(int(value) if isinstance(value, bool) else value)

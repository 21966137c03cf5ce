"""Tell Usedesk what happens in Airflow, from the callbacks of tasks and Dags and from deadline alerts."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_provider_usedesk.compat.sdk import BaseNotifier, redact
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.notifications.daemon import in_daemon_thread
from airflow_provider_usedesk.notifications.open_ticket import TAG_PREFIX, Scope

if TYPE_CHECKING:
    import jinja2

    from airflow_provider_usedesk.api.settings import Settings
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.notifications.incident import Incident
    from airflow_provider_usedesk.notifications.open_ticket import Alert, AlertResult, Delivery

# Characters of a text that are looked through for secrets; what is sent is cut to less.
MAX_RAW = 200_000


class UsedeskNotifier(BaseNotifier):
    """
    Open a ticket, or keep the open one of an incident up to date, when Airflow calls back.

    For ``on_failure_callback``, ``on_success_callback``, ``on_retry_callback``, ``on_execute_callback`` and
    ``on_skipped_callback`` of tasks and Dags, ``sla_miss_callback`` of Airflow 2, and deadline alerts.

    It never raises and never takes much longer than ``timeout``: a failure is one ERROR line in the log, a
    success one INFO line with the id of the ticket.

    .. seealso:: :class:`~airflow_provider_usedesk.operators.ticket.CreateTicketOperator` for the parameters
        of ``create/ticket``.

    :param usedesk_conn_id: Airflow Connection of type usedesk (templated)
    :param subject: subject of a new ticket, cut to 255 characters; default: what happened to which task
        or Dag (templated)
    :param message: text of the ticket or of the comment, HTML allowed, cut to 65,535 bytes; default: what
        happened, with run, try, state, error and a link to the log (templated)
    :param one_open_ticket_per: ``dag``, ``task`` or ``run``: while the ticket of an earlier alert is open,
        add a private comment to it instead of opening another; a callback of a whole Dag has no task, and
        counts by Dag then; default: a ticket for each alert
    :param tag_prefix: what the tag that the open ticket is found by begins with, at most 40 characters;
        another one for each Airflow, where several use one Usedesk account; default: ``airflow``
    :param resolve: whether this alert ends the incident: comment on its open ticket and set it to solved,
        or do nothing when there is none; needs ``one_open_ticket_per``; the success of a task ends only what
        is counted by task, and none of a mapped task; default: false
    :param timeout: seconds for everything together; default: 30
    :param context: given by Airflow where it makes the notifier itself, for deadline alerts
    :param ticket_params: all other parameters of ``create/ticket`` by their names, such as ``priority`` or
        ``client_email`` (templated)
    :raises UsedeskInvalidRequest: a ValueError, for a name that is no parameter, or a value that cannot be
        right; what is a template is checked when it is rendered
    """

    template_fields: Sequence[str] = ("usedesk_conn_id", "subject", "message", "ticket_params")

    def __init__(
        self,
        *,
        usedesk_conn_id: str = UsedeskHook.default_conn_name,
        subject: str | None = None,
        message: str | None = None,
        one_open_ticket_per: Scope | None = None,
        tag_prefix: str = TAG_PREFIX,
        resolve: bool = False,
        timeout: float = 30.0,
        context: Context | None = None,
        **ticket_params: Any,
    ) -> None:
        super().__init__()
        _check_scope(one_open_ticket_per, tag_prefix, resolve, ticket_params.get("status"))
        if not 0 < timeout < math.inf:
            raise ValueError("timeout must be a number of seconds above 0")
        _check(ticket_params, has_our_tag=one_open_ticket_per is not None)
        self.usedesk_conn_id = usedesk_conn_id
        self.subject = subject
        self.message = message
        self.one_open_ticket_per = one_open_ticket_per
        self.tag_prefix = tag_prefix
        self.resolve = resolve
        self.timeout = timeout
        self.ticket_params = ticket_params
        self.context: Any = context or {}

    def __call__(self, *args: Any) -> None:
        """Tell Usedesk; the notifier and the context stay as they are, for the next callback."""
        self.notify(_sla_context(*args) if len(args) > 1 else args[0])

    def __await__(self) -> Generator[Any, None, None]:
        return self.async_notify(self.context).__await__()

    def notify(self, context: Context) -> None:
        """
        Tell Usedesk.

        :param context: what Airflow tells of the task, the Dag run or the deadline
        """
        until = time.monotonic() + self.timeout
        context = context if isinstance(context, Mapping) else {}
        with self._reporting_failure():
            alert, hook = self._alert(context), self._hook(context)
            with _naming(hook):
                settings = hook.settings()
            delivery = _delivery(hook, settings, alert, until)
            thread = in_daemon_thread(delivery)
            try:
                told = thread.result(until - time.monotonic())
            except TimeoutError:
                told = _after_time(delivery)
            self._report(told)

    async def async_notify(self, context: Context) -> None:
        """
        Tell Usedesk without stopping the event loop of the triggerer.

        :param context: what Airflow tells of the task, the Dag run or the deadline
        """
        until = time.monotonic() + self.timeout
        context = context if isinstance(context, Mapping) else {}
        with self._reporting_failure():
            alert, hook = self._alert(context), self._hook(context)
            with _naming(hook):
                settings = await asyncio.wait_for(hook.asettings(), until - time.monotonic())
            delivery = _delivery(hook, settings, alert, until)
            thread = asyncio.wrap_future(in_daemon_thread(delivery))
            try:
                told = await asyncio.wait_for(thread, until - time.monotonic())
            except TimeoutError:
                told = _after_time(delivery)
            self._report(told)

    def _alert(self, context: Context) -> Alert:
        from airflow_provider_usedesk.api.request import MESSAGE_BYTES
        from airflow_provider_usedesk.notifications.incident import (
            default_message,
            default_subject,
            fit_message,
            fit_subject,
            read_incident,
        )
        from airflow_provider_usedesk.notifications.open_ticket import Alert

        incident = read_incident(context, _redacted)
        subject = self._text(context, "subject", default_subject(incident, recovered=self.resolve))
        message = self._text(context, "message", default_message(incident, recovered=self.resolve))
        params = {
            **self._rendered_params(context),
            "subject": fit_subject(subject),
            "message": fit_message(message, MESSAGE_BYTES),
        }
        return Alert(params, self._tag(incident), self.resolve)

    def _hook(self, context: Context) -> UsedeskHook:
        return UsedeskHook(usedesk_conn_id=self._rendered(context, self.usedesk_conn_id))

    def _text(self, context: Context, name: Literal["subject", "message"], default: str) -> str:
        """Render a text of the user's; the default stands in for one that cannot be rendered here."""
        given = getattr(self, name)
        if given is None:
            return default
        try:
            text = _redacted(str(self._rendered(context, given)))
        except Exception as error:
            self.log.warning(
                "%s cannot be rendered in this callback (%s); the default text is sent.",
                name,
                type(error).__name__,
            )
            return default
        return default if text.strip() in ("", "None") else text

    def _rendered_params(self, context: Context) -> dict[str, Any]:
        rendered = {}
        for name, value in self.ticket_params.items():
            try:
                rendered[name] = self._rendered(context, value)
            except Exception as error:
                self.log.warning(
                    "%s cannot be rendered in this callback (%s); the alert goes without it.",
                    name,
                    type(error).__name__,
                )
                if name == "private_comment":
                    # What somebody may have wanted to keep from a client must not become public.
                    rendered[name] = True
        return rendered

    def _rendered(self, context: Context, value: Any) -> Any:
        return self.render_template(value, context, self._environment(context))

    def _environment(self, context: Context) -> jinja2.Environment:
        from jinja2 import StrictUndefined

        of_dag = getattr(context.get("dag"), "get_template_env", None)
        # As text also in a Dag with native rendering: the checks of the parameters make numbers and lists.
        environment = of_dag(force_sandboxed=True) if of_dag else self.get_template_env()
        if not of_dag:
            # As in a Dag: Airflow's own environment without one puts nothing for what is not there.
            environment.undefined = StrictUndefined
        return environment

    def _render(self, template: Any, context: Any, dag: Any = None) -> Any:
        # BaseNotifier would ask for the Dag, which a deadline alert does not have.
        return super(BaseNotifier, self)._render(template, context)

    def _tag(self, incident: Incident) -> str | None:
        from airflow_provider_usedesk.notifications.open_ticket import ends_incident, scope_tag

        scope = self.one_open_ticket_per
        if scope is None:
            return None
        if incident.dag_id is None:
            self.log.warning("This callback names no Dag, so there is no open ticket to look for.")
            return None
        tag, known = scope_tag(
            scope,
            dag_id=incident.dag_id,
            task_id=incident.own_task_id,
            run_id=incident.run_id,
            prefix=self.tag_prefix,
        )
        if known != scope:
            self.log.warning("This callback has no %s; the open ticket is that of the Dag.", scope)
        is_mapped = incident.map_index is not None
        if self.resolve and not ends_incident(known, about=incident.about, is_mapped=is_mapped):
            self.log.warning("%s does not end an incident of the %s.", _success(is_mapped), known)
            return None
        return tag

    def _report(self, told: AlertResult) -> None:
        ids = ", ".join(map(str, told.ticket_ids))
        if told.action == "nothing":
            self.log.debug("No open Usedesk ticket to solve.")
        elif told.is_delivered:
            self.log.info("Usedesk ticket %s %s.", ids, told.action)
        else:
            self.log.warning("Usedesk ticket %s %s, but its message was not delivered.", ids, told.action)

    @contextmanager
    def _reporting_failure(self) -> Iterator[None]:
        from airflow_provider_usedesk.api.errors import UsedeskError

        try:
            yield
        except Exception as error:
            # The texts of other exceptions may hold anything.
            reason = f"{type(error).__name__}: {error}" if isinstance(error, UsedeskError) else _kind(error)
            self.log.error("The alert could not be sent to Usedesk. %s", reason)  # noqa: TRY400


send_usedesk_notification = UsedeskNotifier


def _check_scope(scope: Any, tag_prefix: Any, resolve: Any, status: Any) -> None:
    """Find what would leave a ticket open for ever, or make one for each alert."""
    from airflow_provider_usedesk.notifications.open_ticket import MAX_PREFIX, may_count_as_open

    if scope not in (None, *get_args(Scope)):
        raise ValueError(f"one_open_ticket_per must be one of {', '.join(get_args(Scope))}, or None")
    if not isinstance(tag_prefix, str) or not 0 < len(tag_prefix.strip()) <= len(tag_prefix) <= MAX_PREFIX:
        raise ValueError(f"tag_prefix must be a text of 1 to {MAX_PREFIX} characters")
    if not isinstance(resolve, bool):
        raise ValueError("resolve must be True or False")
    if resolve and not scope:
        raise ValueError("resolve needs one_open_ticket_per, which says how to find the ticket")
    if scope and not may_count_as_open(status):
        raise ValueError(f"status {status} with one_open_ticket_per would open a ticket for each alert")


def _check(ticket_params: Mapping[str, Any], *, has_our_tag: bool) -> None:
    """Find what can be found wrong while the Dag is parsed; files are looked for when they are sent."""
    from airflow_provider_usedesk.api.request import Draft
    from airflow_provider_usedesk.api.ticket import CREATE_TICKET, ticket_request
    from airflow_provider_usedesk.notifications.open_ticket import MAX_TAG, with_tag

    known = CREATE_TICKET.arguments | {"from"}
    later = {
        name
        for name, value in ticket_params.items()
        if name in known and (name == "files" or "{{" in str(value) or "{%" in str(value))
    }
    certain = {name: value for name, value in ticket_params.items() if name not in later}
    if has_our_tag and "tag" in certain:
        certain["tag"] = with_tag(certain["tag"], "x" * MAX_TAG)
    if later - {"files"}:
        Draft(certain, CREATE_TICKET).request()
    else:
        ticket_request({**certain, "subject": "any", "message": "any"})


def _delivery(hook: UsedeskHook, settings: Settings, alert: Alert, until: float) -> Delivery:
    from airflow_provider_usedesk.notifications.open_ticket import Delivery

    left = until - time.monotonic()
    # Looking for an open ticket must leave time for opening one.
    share = max(left if alert.tag is None else left / 3, 0.001)
    bounded = replace(
        settings,
        timeout=min(settings.timeout, share),
        connect_timeout=min(settings.connect_timeout, share),
        max_wait=min(settings.max_wait, share),
    )
    return Delivery(lambda: hook._client(bounded), alert, until)


def _after_time(delivery: Delivery) -> AlertResult:
    """Return what is certain when the time is over."""
    from airflow_provider_usedesk.notifications.open_ticket import out_of_time

    if delivery.opened is None:
        raise out_of_time()
    return delivery.opened


@contextmanager
def _naming(hook: UsedeskHook) -> Iterator[None]:
    """Name the connection that cannot be read; what it is, is no secret."""
    from airflow_provider_usedesk.api.errors import UsedeskBadConnection, UsedeskError

    try:
        yield
    except UsedeskError:
        raise
    except Exception as error:
        name = hook.usedesk_conn_id
        raise UsedeskBadConnection(f"Connection {name} cannot be read ({type(error).__name__}).") from error


def _success(is_mapped: bool) -> str:
    return "The success of one mapped instance" if is_mapped else "The success of one task"


def _redacted(text: str) -> str:
    return str(redact(text[:MAX_RAW]))


def _kind(error: Exception) -> str:
    return f"{type(error).__name__}; its text is not logged, as it may hold personal data."


def _sla_context(dag: Any, task_list: Any, blocking_task_list: Any, *rest: Any) -> Any:
    """Make a context of the arguments of ``sla_miss_callback``."""
    return {
        "dag": dag,
        "task_list": task_list,
        "blocking_task_list": blocking_task_list,
        "slas": rest[0] if len(rest) > 1 else (),
        "blocking_tis": rest[-1],
    }

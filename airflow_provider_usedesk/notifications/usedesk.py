"""Send alerts to Usedesk from the callbacks of tasks and Dags, and from deadline alerts."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Never

from airflow_provider_usedesk.compat.callbacks import callback_kind, longest_callback
from airflow_provider_usedesk.compat.notifier import TextNotifier
from airflow_provider_usedesk.compat.sdk import redact
from airflow_provider_usedesk.hooks.templates import InvalidTemplate, strict_environment
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.notifications.daemon import in_daemon_thread

if TYPE_CHECKING:
    from jinja2 import Environment

    from airflow_provider_usedesk.api.choices import Author, PhoneType, Priority, TicketType
    from airflow_provider_usedesk.api.parameters import Flag, Id, Status, Texts
    from airflow_provider_usedesk.api.settings import Settings
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.notifications.incident import Incident
    from airflow_provider_usedesk.notifications.open_ticket import Scope
    from airflow_provider_usedesk.notifications.sender import Alert, AlertResult, AlertSender
    from airflow_provider_usedesk.operators.types import Rendered

# Characters of a text that are searched for secrets; fewer are sent.
MAX_RAW = 200_000


class UsedeskNotifier(TextNotifier):
    """
    Open a ticket when Airflow calls back, or keep one open ticket per incident up to date.

    For ``on_failure_callback``, ``on_success_callback``, ``on_retry_callback``, ``on_execute_callback`` and
    ``on_skipped_callback`` of tasks and Dags, ``sla_miss_callback`` of Airflow 2, and deadline alerts.

    A callback never raises an exception and takes no longer than ``timeout``. It logs one ERROR line if the
    alert failed, and one INFO line with the id of the ticket otherwise. See
    ``create/ticket``: https://api.usedocs.com/article/51378 for the service.

    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    :param subject: subject of a new ticket, cut to 255 characters; default: what happened to which task or
        Dag (templated)
    :param message: text of the ticket or of the comment, HTML allowed, cut to 65,535 bytes; no name of a
        file; default: what happened, with run, attempt, state, error and a link to the log (templated)
    :param one_open_ticket_per: ``dag``, ``task`` or ``run``: while the ticket of an earlier alert is open,
        add a private comment to it instead of opening another ticket. In the callback of a whole Dag ``task``
        counts as ``dag``. Default: open a ticket for each alert
    :param tag_prefix: first part of the tag that identifies the open ticket, 1 to 40 characters; default: the
        key prefix of the connection, which differs if several Airflows share an account
    :param resolve: whether this alert ends the incident: add a comment to its open ticket and set it to
        solved, or do nothing if there is none. Needs ``one_open_ticket_per``. The success of a task ends only
        an incident of that task, and not if the task is mapped. Default: false
    :param repeat_priority: priority of the open ticket from the second alert on: ``low``, ``medium``,
        ``urgent`` or ``extreme``. It is only raised, never lowered. Needs ``one_open_ticket_per``. Default:
        the priority stays
    :param timeout: seconds for the whole alert; default: 30. On Airflow 3 all callbacks of a task together
        have ``[core] task_success_overtime``, 20 seconds by default; the alert ends 2 seconds before that
    :param context: set by Airflow when it creates the notifier itself, for deadline alerts
    :param client_name: name of the client, text of at most 255 characters (templated)
    :param client_email: email address of the client, text of at most 255 characters (templated)
    :param client_id: id of the client, 32-bit number, or ``new_client`` to create a client (templated)
    :param client_phone: phone number of the client with country code, text or number; spaces, brackets,
        dashes and dots are removed; without ``phone_region`` no digit is changed (templated)
    :param phone_region: country of a phone number without country code, two letters such as ``RU``; needs the
        library phonenumbers, from ``airflow-provider-usedesk[phone]``; default: that of the connection
        (templated)
    :param username: Telegram name of the client, text, with or without ``@``, for channels of Telegram
        personal (pact) (templated)
    :param company_name: company of the client, text of at most 255 characters; Usedesk creates it if it does
        not exist, and moves the client to it (templated)
    :param channel_id: id of the channel, 32-bit number; if it is omitted or wrong, Usedesk uses the channel
        of the token and reports no error (templated)
    :param priority: ``low``, ``medium``, ``urgent`` or ``extreme``; default of Usedesk: medium (templated)
    :param type: ``question``, ``task``, ``problem`` or ``incident``; default of Usedesk: question (templated)
    :param status: number or name of a status, such as ``new`` or ``on hold``; default of Usedesk: 8, new
        (templated)
    :param tag: tags, a list or a text with commas, together at most 255 characters (templated)
    :param assignee_id: id of the agent, 32-bit number (templated)
    :param group_id: id of the group, 32-bit number (templated)
    :param private_comment: whether only agents see the message; default: false (templated)
    :param files: files to attach: local paths, URLs of object storage (``s3://conn_id@bucket/key``) or (name,
        content), one or a list (templated)
    :param custom_fields: values of custom fields, a dict of {id: value}; a bool for a checkbox, the id of the
        option for a list (templated)
    :param field_id: instead of ``custom_fields``: ids of custom fields, a list or a text with ``;``
        (templated)
    :param field_value: the values for ``field_id``, a list or a text with ``;`` (templated)
    :param lists: values of nested lists, a list of lists of {"id": …, "value": …}, parents first (templated)
    :param from_: author of the first comment: ``user`` (needs ``user_id``), ``client`` or ``trigger`` (needs
        ``trigger_id``) (templated)
    :param user_id: id of the agent for ``from_="user"``, 32-bit number (templated)
    :param trigger_id: id of the trigger for ``from_="trigger"``, 32-bit number (templated)
    :param template_id: id of a WhatsApp Business template (pact), 32-bit number (templated)
    :param template_name: name of a WhatsApp Business template (Landbot, infobip), text of at most 255
        characters (templated)
    :param template_variables: texts for the variables of the template in their order, a list (templated)
    :param template_lang: language of the template; default of Usedesk: ru (templated)
    :param client_country: country of the client, text of at most 255 characters (templated)
    :param client_city: city of the client, text of at most 255 characters (templated)
    :param client_address: address of the client, text of at most 255 characters (templated)
    :param new_address: true to add the address to the other addresses of the client (templated)
    :param phone_type: ``home``, ``mobile``, ``stationary``, ``fax`` or ``other`` (templated)
    :param additional_id: your own id of the ticket, text of at most 255 characters, visible in the API only
        (templated)
    :raises ValueError: if an argument is not valid; a template is checked when it is rendered
    :raises UsedeskInvalidRequest: a ValueError, if a parameter of the ticket is unknown or not valid
    """

    template_fields: Sequence[str] = ("usedesk_conn_id", "subject", "message", "ticket_params")

    def __init__(
        self,
        *,
        usedesk_conn_id: str = "usedesk_default",
        subject: str | None = None,
        message: str | None = None,
        one_open_ticket_per: Scope | None = None,
        tag_prefix: str | None = None,
        resolve: bool = False,
        repeat_priority: Priority | None = None,
        timeout: float = 30.0,
        context: Context | None = None,
        client_name: str | None = None,
        client_email: str | None = None,
        client_id: Id | None = None,
        client_phone: int | str | None = None,
        phone_region: str | None = None,
        username: str | None = None,
        company_name: str | None = None,
        channel_id: Id | None = None,
        priority: Rendered[Priority] | None = None,
        type: Rendered[TicketType] | None = None,
        status: Rendered[Status] | None = None,
        tag: Texts | None = None,
        assignee_id: Id | None = None,
        group_id: Id | None = None,
        private_comment: Rendered[Flag] | None = None,
        files: Any = None,
        custom_fields: Mapping[Any, Any] | str | None = None,
        field_id: Id | Sequence[Id] | None = None,
        field_value: Any = None,
        lists: Sequence[Any] | str | None = None,
        from_: Rendered[Author] | None = None,
        user_id: Id | None = None,
        trigger_id: Id | None = None,
        template_id: Id | None = None,
        template_name: str | None = None,
        template_variables: Sequence[Any] | str | None = None,
        template_lang: str | None = None,
        client_country: str | None = None,
        client_city: str | None = None,
        client_address: str | None = None,
        new_address: bool | str | None = None,
        phone_type: Rendered[PhoneType] | None = None,
        additional_id: Id | None = None,
        **kwargs: Never,
    ) -> None:
        from airflow_provider_usedesk.notifications.arguments import (
            check_message,
            check_repeat_priority,
            check_scope,
            check_ticket_params,
            given_ticket_params,
        )

        ticket_params = given_ticket_params(locals(), kwargs)
        super().__init__()
        check_scope(one_open_ticket_per, tag_prefix, resolve, status)
        check_repeat_priority(repeat_priority, one_open_ticket_per, resolve=resolve)
        check_message(message)
        if not 0 < timeout < math.inf:
            raise ValueError("timeout must be a number of seconds above 0")
        check_ticket_params(ticket_params, has_incident_tag=one_open_ticket_per is not None)
        self.usedesk_conn_id = usedesk_conn_id
        self.subject = subject
        self.message = message
        self.one_open_ticket_per = one_open_ticket_per
        self.tag_prefix = tag_prefix
        self.resolve = resolve
        self.repeat_priority = repeat_priority
        self.timeout = timeout
        self.ticket_params = ticket_params
        self.context: Any = context or {}

    def __call__(self, *args: Any) -> None:
        """Send the alert of one callback; the notifier and the context do not change."""
        self.notify(_sla_context(*args) if len(args) > 1 else args[0])

    def __await__(self) -> Generator[Any, None, None]:
        return self.async_notify(self.context).__await__()

    def notify(self, context: Context) -> None:
        """
        Send an alert.

        :param context: context of the callback: of a task, a Dag run or a deadline
        """
        context = context if isinstance(context, Mapping) else {}
        with self._logging_errors():
            deadline = self._deadline(context)
            hook = self._hook(context)
            with _naming_connection(hook):
                settings = hook.settings()
            alert = self._alert(context, self.tag_prefix or hook.delivery_settings().key_prefix)
            sender = _sender(hook, settings, alert, deadline)
            sending = in_daemon_thread(sender.send)
            try:
                result = sending.result(deadline - time.monotonic())
            except TimeoutError:
                result = _result_at_deadline(sender)
            self._log_result(result)

    async def async_notify(self, context: Context) -> None:
        """
        Send an alert without blocking the event loop of the triggerer.

        :param context: context of the callback: of a task, a Dag run or a deadline
        """
        context = context if isinstance(context, Mapping) else {}
        with self._logging_errors():
            deadline = self._deadline(context)
            hook = self._hook(context)
            with _naming_connection(hook):
                settings = await asyncio.wait_for(hook.asettings(), deadline - time.monotonic())
            alert = self._alert(context, self.tag_prefix or hook.delivery_settings().key_prefix)
            sender = _sender(hook, settings, alert, deadline)
            sending = asyncio.wrap_future(in_daemon_thread(sender.send))
            try:
                result = await asyncio.wait_for(sending, deadline - time.monotonic())
            except TimeoutError:
                result = _result_at_deadline(sender)
            self._log_result(result)

    def _deadline(self, context: Context) -> float:
        return time.monotonic() + min(self.timeout, longest_callback(context, datetime.now(UTC)))

    def _alert(self, context: Context, tag_prefix: str) -> Alert:
        from airflow_provider_usedesk.api.request import MESSAGE_BYTES
        from airflow_provider_usedesk.notifications.incident import (
            default_message,
            default_subject,
            fit_message,
            fit_subject,
            read_incident,
        )
        from airflow_provider_usedesk.notifications.sender import Alert

        incident = read_incident(context, _redacted, callback=callback_kind(context, self))
        subject = self._text(context, "subject", default_subject(incident, recovered=self.resolve))
        message = self._text(context, "message", default_message(incident, recovered=self.resolve))
        params = {
            **self._rendered_params(context),
            "subject": fit_subject(subject),
            "message": fit_message(message, MESSAGE_BYTES),
        }
        return Alert(params, self._tag(incident, tag_prefix), self.resolve, self.repeat_priority)

    def _environment(self, context: Context) -> Environment:
        return strict_environment(super()._environment(context))

    def _hook(self, context: Context) -> UsedeskHook:
        return UsedeskHook(usedesk_conn_id=self.rendered(self.usedesk_conn_id, context))

    def _text(self, context: Context, name: Literal["subject", "message"], default: str) -> str:
        """Return a text of the user, or the default if it cannot be rendered in this callback."""
        from airflow_provider_usedesk.api.values import is_empty, is_null_text

        given = getattr(self, name)
        if given is None:
            return default
        try:
            text = _redacted(str(self.rendered(given, context)))
        except Exception as error:
            self.log.warning(
                "%s cannot be rendered in this callback (%s). The alert is sent with the default text.",
                name,
                _reason(error),
            )
            return default
        return default if is_empty(text) or is_null_text(text) else text

    def _rendered_params(self, context: Context) -> dict[str, Any]:
        rendered = {}
        for name, value in self.ticket_params.items():
            try:
                rendered[name] = self.rendered(value, context)
            except Exception as error:
                self.log.warning(
                    "%s cannot be rendered in this callback (%s). The alert is sent without it.",
                    name,
                    _reason(error),
                )
                if name == "private_comment":
                    # A message that may have been meant for agents only must not become public.
                    rendered[name] = True
        return rendered

    def _tag(self, incident: Incident, prefix: str) -> str | None:
        from airflow_provider_usedesk.notifications.open_ticket import ends_incident, scope_tag

        scope = self.one_open_ticket_per
        if scope is None:
            return None
        if incident.dag_id is None:
            self.log.warning("This callback names no Dag, so no open ticket is looked for.")
            return None
        tag, actual_scope = scope_tag(
            scope,
            dag_id=incident.dag_id,
            task_id=incident.own_task_id,
            run_id=incident.run_id,
            prefix=prefix,
        )
        if actual_scope != scope:
            self.log.warning("This callback has no %s, so the ticket of the Dag is used.", scope)
        is_mapped = incident.map_index is not None
        if self.resolve and not ends_incident(actual_scope, about=incident.about, is_mapped=is_mapped):
            what = "one mapped task instance" if is_mapped else "one task"
            self.log.warning(
                "The success of %s does not end an incident of the %s, so its ticket stays open.",
                what,
                actual_scope,
            )
            return None
        return tag

    def _log_result(self, result: AlertResult) -> None:
        ids = ", ".join(map(str, result.ticket_ids))
        if result.action is None:
            self.log.debug("There is no open Usedesk ticket to solve.")
        elif result.is_delivered:
            self.log.info("Usedesk ticket %s %s.", ids, result.action)
        else:
            self.log.warning("Usedesk ticket %s %s, but its message was not delivered.", ids, result.action)

    @contextmanager
    def _logging_errors(self) -> Iterator[None]:
        from airflow_provider_usedesk.api.errors import UsedeskError
        from airflow_provider_usedesk.notifications.incident import one_line

        try:
            yield
        except Exception as error:
            # The text of another exception may contain personal data.
            reason = f"{type(error).__name__}: {error}" if isinstance(error, UsedeskError) else _kind(error)
            self.log.error("The alert could not be sent to Usedesk. %s", one_line(reason))  # noqa: TRY400


send_usedesk_notification = UsedeskNotifier


def _sender(hook: UsedeskHook, settings: Settings, alert: Alert, deadline: float) -> AlertSender:
    from airflow_provider_usedesk.notifications.sender import AlertSender

    remaining = deadline - time.monotonic()
    # The request for the open tickets must leave time to open one.
    share = max(remaining if alert.tag is None else remaining / 3, 0.001)
    bounded = replace(
        settings,
        timeout=min(settings.timeout, share),
        connect_timeout=min(settings.connect_timeout, share),
        max_wait=min(settings.max_wait, share),
    )
    return AlertSender(lambda: hook.client_for(bounded), alert, deadline)


def _result_at_deadline(sender: AlertSender) -> AlertResult:
    """Return what has been confirmed already; raise the error of a timeout if nothing has."""
    from airflow_provider_usedesk.notifications.sender import timeout_error

    if sender.confirmed is None:
        raise timeout_error()
    return sender.confirmed


@contextmanager
def _naming_connection(hook: UsedeskHook) -> Iterator[None]:
    """Add the id of the connection, which is no secret, to the error of reading it."""
    from airflow_provider_usedesk.api.errors import UsedeskBadConnection, UsedeskError

    try:
        yield
    except UsedeskError:
        raise
    except Exception as error:
        conn_id, reason = hook.usedesk_conn_id, type(error).__name__
        raise UsedeskBadConnection(
            f"The connection {conn_id} could not be read ({reason}). Check that it exists."
        ) from error


def _redacted(text: str) -> str:
    return str(redact(text[:MAX_RAW]))


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, InvalidTemplate) else type(error).__name__


def _kind(error: Exception) -> str:
    return f"{type(error).__name__}; its text is not logged, because it may contain personal data."


def _sla_context(dag: Any, task_list: Any, blocking_task_list: Any, *rest: Any) -> Any:
    """Return a context made of the arguments of ``sla_miss_callback``."""
    return {
        "dag": dag,
        "task_list": task_list,
        "blocking_task_list": blocking_task_list,
        "slas": rest[0] if len(rest) > 1 else (),
        "blocking_tis": rest[-1],
    }

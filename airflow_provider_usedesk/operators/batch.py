"""Send to a list of recipients: paced, each once, resumable."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from airflow_provider_usedesk.compat.sdk import (
    AirflowException,
    AirflowFailException,
    ObjectStoragePath,
    conf,
    determine_kwargs,
)
from airflow_provider_usedesk.operators.redacted import plain_value
from airflow_provider_usedesk.operators.ticket import TicketParameters

if TYPE_CHECKING:
    from jinja2 import Environment

    from airflow_provider_usedesk.api.ticket import MessageProfile
    from airflow_provider_usedesk.batch.checkpoint import KeyValueStore
    from airflow_provider_usedesk.batch.options import BatchOptions
    from airflow_provider_usedesk.batch.row_params import RowParams
    from airflow_provider_usedesk.batch.runner import BatchRun
    from airflow_provider_usedesk.batch.summary import Results, Summary
    from airflow_provider_usedesk.compat.sdk import Context

# Seconds for which a batch goes on asking a service that refuses or cannot be reached.
PATIENCE = 900.0


class BaseTicketBatchOperator(TicketParameters):
    """
    Hold what the operators share that create a ticket for each of many recipients.

    The arguments of ``create/ticket`` are shared by all rows. A column of a row that is named like one of
    them goes over it, a template in ``row_template`` over both.

    Returns a summary, and pushes it to XCom as ``summary`` also when the task fails: ``rows``, ``sent``,
    ``skipped`` (sent by an earlier try), ``duplicate``, ``bad``, ``rejected``, ``not_delivered``,
    ``unknown``, ``left``, ``seconds``, ``requests``, ``recipients_changed``, ``results_path``. While it runs
    the same stands in XCom as ``progress``, anew twice a minute.

    .. seealso:: :class:`~airflow_provider_usedesk.operators.ticket.TicketParameters` for the other arguments
        of ``create/ticket``, and :class:`~airflow_provider_usedesk.operators.base.SendOnceOperator` for
        ``on_unknown_outcome`` and ``send_again_on_clear``.

    :param recipients: the rows: a list of dicts or an XComArg of one; the path or URL
        (``s3://conn_id@bucket/key``) of a .csv, .jsonl or .ndjson file; or a function that returns or yields
        dicts, which may take parts of the context by name (templated)
    :param row_key: the column that tells rows apart, or a template such as
        ``{{ row.client }}-{{ row.month }}``; of rows with the same key one is sent
    :param row_template: arguments of ``create/ticket`` whose texts are rendered for each row, with its
        columns as ``{{ row.name }}``; ``message`` may be the name of a template file; default: none
    :param subject: subject of all tickets, at most 255 characters (templated)
    :param message: message of all tickets, at most 65,535 bytes; or the name of a template file that ends in
        .html, .md or .txt (templated)
    :param template_id: id of a WhatsApp Business template (pact) (templated)
    :param template_name: name of a WhatsApp Business template (Landbot, infobip) (templated)
    :param template_variables: texts for the variables of the template, in their order (templated)
    :param template_lang: language of the template; default of Usedesk: ru (templated)
    :param max_in_flight: how many requests are under way at the same time, 1 to 64; default: 8
    :param validate: ``first`` checks all rows before any is sent (default), ``row`` each before it is sent
    :param max_bad_rows: with ``validate="first"``, how many rows may have faults, as a number or, below 1, as
        a share of all; with more nothing is sent; default: 0
    :param max_failures: how many rows may fail, as a number or, below 1, as a share of all, before the run is
        ended; None (default) for any number
    :param fail_on: when the task fails at the end: if ``any`` row failed (default), if ``all`` did, or for
        ``none``; failed are rows that are bad, rejected, unknown, or not delivered
    :param on_not_delivered: whether a message that the messenger did not take is a failure (``fail``,
        default) or not (``ignore``); it is not sent again
    :param results_path: a .csv, .jsonl or .ndjson file, on disk or object storage, that is written with what
        became of each row; default: none (templated)
    :param checkpoint_path: folder, on disk that all workers share or on object storage, to save in what was
        sent; required before Airflow 3.3; default: the task state store (templated)
    :param quiet_hours: when nothing is sent, such as ``("22:00", "08:00")``; default: never
    :param timezone: time zone of ``quiet_hours``, such as ``Europe/Berlin``; required with them
    :param in_quiet_hours: whether rows ``wait`` for their end (default), or are left for the next run
        (``leave``)
    :param deferrable: whether to wait for the end of quiet hours in the triggerer; default:
        ``[operators] default_deferrable``
    :raises AirflowFailException: for what a retry cannot mend: faulty arguments, too many bad rows, a wrong
        connection; at the end, when rows failed that would fail again
    :raises AirflowException: when rows failed that a retry may send, or the task was told to stop
    """

    template_fields: Sequence[str] = (
        "recipients",
        "subject",
        "message",
        *TicketParameters.template_fields,
        "template_id",
        "template_name",
        "template_variables",
        "template_lang",
        "results_path",
        "checkpoint_path",
    )

    # A batch has no one ticket to lead to.
    operator_extra_links = ()

    files: Any = None
    _run: BatchRun | None = None

    def __init__(
        self,
        *,
        recipients: Any,
        row_key: str,
        row_template: Mapping[str, Any] | None = None,
        subject: str | None = None,
        message: str | None = None,
        template_id: int | str | None = None,
        template_name: str | None = None,
        template_variables: Sequence[Any] | str | None = None,
        template_lang: str | None = None,
        max_in_flight: int = 8,
        validate: Literal["first", "row"] = "first",
        max_bad_rows: float = 0,
        max_failures: float | None = None,
        fail_on: Literal["any", "all", "none"] = "any",
        on_not_delivered: Literal["fail", "ignore"] = "fail",
        results_path: str | None = None,
        checkpoint_path: str | None = None,
        quiet_hours: Any = None,
        timezone: str | tzinfo | None = None,
        in_quiet_hours: Literal["wait", "leave"] = "wait",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.recipients = recipients
        self.row_key = row_key
        self.row_template = row_template
        self.subject = subject
        self.message = message
        self.template_id = template_id
        self.template_name = template_name
        self.template_variables = template_variables
        self.template_lang = template_lang
        self.max_in_flight = max_in_flight
        self.validate = validate
        self.max_bad_rows = max_bad_rows
        self.max_failures = max_failures
        self.fail_on = fail_on
        self.on_not_delivered = on_not_delivered
        self.results_path = results_path
        self.checkpoint_path = checkpoint_path
        self.quiet_hours = quiet_hours
        self.timezone = timezone
        self.in_quiet_hours = in_quiet_hours
        self.deferrable = deferrable

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Send to all recipients, and return the summary.

        :raises UsedeskError: of the class that says what ended the run, where a retry may mend it
        """
        from airflow_provider_usedesk.batch.loader import TooManyBadRows
        from airflow_provider_usedesk.batch.runner import Paused

        with self._failing_for_good():
            rules, store = self._options(), self._store(context)
            try:
                with self._results() as results:
                    self._run = run = self._new_run(context, rules, store, results)
                    summary = run.run()
            except Paused as pause:
                self._defer(pause.until)
            except TooManyBadRows:
                self._tell(context, "summary", run.summary())
                raise
        self._tell(context, "summary", summary)
        self._judge(run, rules, summary)
        return self._told(summary)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Go on after quiet hours, and return the summary."""
        return self.execute(context)

    def on_kill(self) -> None:
        """Send nothing more; what was sent is written down within seconds."""
        if self._run is not None:
            self._run.stop()

    @abstractmethod
    def _way(self) -> MessageProfile:
        """Say what this way of sending needs."""

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> None:
        # Airflow would call a function that it finds in a template field, in a way of its own.
        if parent is self and callable(self.recipients):
            template_fields = [name for name in template_fields if name != "recipients"]
        super()._do_render_template_fields(parent, template_fields, *args, **kwargs)

    def _redacted_fields(self) -> frozenset[str]:
        is_place = isinstance(plain_value(self.recipients), str)
        return super()._redacted_fields() | (set() if is_place else {"recipients"})

    def _options(self) -> BatchOptions:
        """
        Check the arguments that all rows share and that are not sent.

        :raises UsedeskInvalidRequest: naming every faulty one
        """
        from airflow_provider_usedesk.batch.options import read_options

        return read_options(
            max_in_flight=self.max_in_flight,
            validate=self.validate,
            max_bad_rows=self.max_bad_rows,
            max_failures=self.max_failures,
            fail_on=self.fail_on,
            on_not_delivered=self.on_not_delivered,
            on_unknown=self.on_unknown_outcome,
            quiet_hours=self.quiet_hours,
            timezone=self.timezone,
            in_quiet_hours=self.in_quiet_hours,
            pauses=self.deferrable,
            row_key=self.row_key,
            row_template=self.row_template,
            shared_id=self.additional_id,
            arguments=self._method().arguments,
        )

    def _store(self, context: Context) -> KeyValueStore:
        from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
        from airflow_provider_usedesk.batch.checkpoint import FolderStore, TaskStateStore
        from airflow_provider_usedesk.batch.row_store import name_of

        if self.checkpoint_path:
            name = name_of(self._key(context))
            folder = self.checkpoint_path.removeprefix("file://")
            return FolderStore((ObjectStoragePath if "://" in folder else Path)(folder) / name)
        store = context.get("task_state_store")
        if store is None:
            raise UsedeskInvalidRequest(
                ["checkpoint_path: is required before Airflow 3.3, which has no task state store to save in"]
            )
        return TaskStateStore(store, self._attempt(context).turn)

    def _results(self) -> AbstractContextManager[Results]:
        from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
        from airflow_provider_usedesk.batch.result_file import ResultFile
        from airflow_provider_usedesk.batch.summary import NoResults

        if not self.results_path:
            return nullcontext(NoResults())
        try:
            return ResultFile(self.results_path, ObjectStoragePath)
        except ValueError as fault:
            raise UsedeskInvalidRequest([f"results_path: {fault}"]) from None

    def _new_run(
        self, context: Context, rules: BatchOptions, store: KeyValueStore, results: Results
    ) -> BatchRun:
        from airflow_provider_usedesk.batch.checkpoint import Checkpoint
        from airflow_provider_usedesk.batch.rows import read_rows
        from airflow_provider_usedesk.batch.runner import BatchRun, Steps
        from airflow_provider_usedesk.batch.sender import MessageSender
        from airflow_provider_usedesk.batch.worker_pool import SendLease

        lease = SendLease()
        client = self.hook.client_with(PATIENCE, lease.pause)
        sender = MessageSender(
            client,
            self._way(),
            partial(self._key, context),
            plain_value(self.files),
            ObjectStoragePath,
            lease,
        )
        steps = Steps(
            check=sender.checked,
            send=sender.send,
            look_up=sender.look_up,
            results=results,
            report=lambda summary: self._tell(context, "progress", summary),
            requests=lambda: client.requests,
        )
        try:
            rows = read_rows(self._source(context), ObjectStoragePath)
        except ValueError as fault:
            # Not for good: a file may be there when the task is tried again.
            raise ValueError(f"recipients: {fault}") from fault
        return BatchRun(rows, self._row_params(context), Checkpoint(store), rules, steps, lease)

    def _source(self, context: Context) -> Any:
        recipients = plain_value(self.recipients)
        if callable(recipients):
            return partial(recipients, **determine_kwargs(recipients, (), context))
        return recipients

    def _row_params(self, context: Context) -> RowParams:
        from airflow_provider_usedesk.batch.row_params import RowParams

        templates = dict(self.row_template or {})
        if "message" in templates:
            templates["message"] = self._text_of_message(templates["message"])
        return RowParams(
            shared=self._params(),
            names=self._method().arguments,
            templates=templates,
            key=self.row_key,
            environment=self._text_environment(),
            context=context,
        )

    def _text_environment(self) -> Environment:
        """Return what renders to texts in any Dag: native rendering would make 10.0 of a sum of 10.00."""
        dag = self.get_dag()
        return dag.get_template_env(force_sandboxed=True) if dag else self.get_template_env()

    def _tell(self, context: Context, key: str, summary: Summary) -> None:
        if self.do_xcom_push:
            context["ti"].xcom_push(key=key, value=self._told(summary))

    def _told(self, summary: Summary) -> dict[str, Any]:
        return {**summary.as_dict(), "results_path": self.results_path or None}

    def _defer(self, until: datetime) -> NoReturn:
        from airflow_provider_usedesk.triggers.quiet_hours import QuietHoursTrigger

        self.log.info("Quiet hours until %s; the rest is sent then.", until.isoformat())
        self.defer(trigger=QuietHoursTrigger(until=until.isoformat()), method_name="execute_complete")

    def _judge(self, run: BatchRun, rules: BatchOptions, summary: Summary) -> None:
        """Fail where that is the rule, and for good where a retry would fail again."""
        from airflow_provider_usedesk.batch.summary import failures, has_failed

        if run.halted_by is not None:
            with self._failing_for_good():
                raise run.halted_by
        if run.was_stopped:
            raise AirflowException(f"Stopped with {summary.left} rows left; the next try sends them.")
        if has_failed(summary, rules):
            kind = AirflowException if summary.unknown else AirflowFailException
            raise kind(
                f"{failures(summary, rules)} of {summary.rows} rows failed; the log and the results say why."
            )
        if run.was_cut_short:
            raise AirflowException(f"Ended early with {summary.left} rows left; the next try sends them.")


class CreateTicketBatchOperator(BaseTicketBatchOperator):
    """
    Create a ticket for each of many recipients (``create/ticket``, EN 51378).

    .. seealso:: :class:`BaseTicketBatchOperator` for the recipients, the pace, faults, and what is returned;
        :class:`~airflow_provider_usedesk.operators.ticket.CreateTicketOperator` for what each ticket needs.

    :param private_comment: whether only agents see the message; default: false (templated)
    :param files: files to attach to each ticket: local paths, URLs for Airflow's object storage
        (``s3://conn_id@bucket/key``) or (name, bytes); rows name paths and URLs only (templated)
    :param username: Telegram name of the client, for Telegram personal (pact) channels (templated)
    """

    template_fields: Sequence[str] = (
        *BaseTicketBatchOperator.template_fields,
        "private_comment",
        "files",
        "username",
    )

    def __init__(
        self,
        *,
        private_comment: bool | str | None = None,
        files: Any = None,
        username: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.private_comment = private_comment
        self.files = files
        self.username = username

    def _way(self) -> MessageProfile:
        from airflow_provider_usedesk.api.ticket import TICKET

        return TICKET


class SendWhatsAppTemplateBatchOperator(BaseTicketBatchOperator):
    """
    Send a WhatsApp Business template to each of many recipients (``create/ticket``, EN 51378).

    .. seealso:: :class:`BaseTicketBatchOperator` for the recipients, the pace, faults, and what is returned;
        :class:`~airflow_provider_usedesk.operators.message.SendWhatsAppTemplateOperator` for what each
        message needs.

    :param from_: must be ``user``; default: user (templated)
    """

    def __init__(self, *, from_: str = "user", **kwargs: Any) -> None:
        super().__init__(from_=from_, **kwargs)

    def _way(self) -> MessageProfile:
        from airflow_provider_usedesk.api.ticket import WHATSAPP_TEMPLATE

        return WHATSAPP_TEMPLATE

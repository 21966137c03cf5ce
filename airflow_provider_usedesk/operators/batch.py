"""Create a ticket for each of many recipients, within the rate limit, once each, and resumable."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Unpack

from airflow_provider_usedesk.compat.object_storage import object_storage_path
from airflow_provider_usedesk.compat.sdk import (
    AirflowException,
    AirflowFailException,
    conf,
)
from airflow_provider_usedesk.operators.arguments import (
    assign_arguments,
    check_arguments,
    template_fields_of,
    with_lists,
)
from airflow_provider_usedesk.operators.sending import BaseTicketOperator

if TYPE_CHECKING:
    from jinja2 import Environment

    from airflow_provider_usedesk.api.choices import Author, PhoneType, Priority, TicketType
    from airflow_provider_usedesk.api.client import UsedeskClient
    from airflow_provider_usedesk.api.parameters import Flag, Id, Status, Texts
    from airflow_provider_usedesk.api.ticket import MessageProfile
    from airflow_provider_usedesk.batch.batch_io import BatchIO
    from airflow_provider_usedesk.batch.checkpoint import Checkpoint
    from airflow_provider_usedesk.batch.file_options import FileOptions
    from airflow_provider_usedesk.batch.options import BatchOptions
    from airflow_provider_usedesk.batch.rehearsal import Rehearsal
    from airflow_provider_usedesk.batch.result_file import ResultWriter
    from airflow_provider_usedesk.batch.row import Row, UnreadableRow
    from airflow_provider_usedesk.batch.row_params import RowParams
    from airflow_provider_usedesk.batch.runner import BatchRun
    from airflow_provider_usedesk.batch.send_lease import SendLease
    from airflow_provider_usedesk.batch.sender import RowCheck
    from airflow_provider_usedesk.batch.summary import Summary
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.compat.stores import FolderStore
    from airflow_provider_usedesk.compat.task_arguments import TaskArguments
    from airflow_provider_usedesk.delivery.confirmation import OnNoConfirmation
    from airflow_provider_usedesk.idempotency.decision import OnUnknown
    from airflow_provider_usedesk.operators.types import Templated

# Seconds for which one request of a batch waits while Usedesk refuses it or cannot be reached.
MAX_WAIT = 900.0

FILE_OPTIONS = ("delimiter", "encoding", "columns")
"""Arguments that say how a file of recipients is read; they are neither templated nor sent."""

OPTIONS = (
    "row_key",
    "row_template",
    "max_in_flight",
    "validate",
    "max_bad_rows",
    "max_failures",
    "fail_on",
    "fail_if_empty",
    "on_duplicate",
    "on_not_delivered",
    "on_no_confirmation",
    "quiet_hours",
    "timezone",
    "in_quiet_hours",
    "max_lateness",
)
"""Arguments that say how a batch is sent; they are neither templated nor sent."""

# Airflow 2 calls the method dry_run() for `airflow tasks test --dry-run`.
RENAMED = {"dry_run": "dry_run_"}
"""The attributes, which are the template fields, of arguments that are named like a method of Airflow."""

CHECKED = (
    *("recipients", *OPTIONS, *FILE_OPTIONS),
    *("additional_id", "on_unknown_outcome", "results_path", "dry_run"),
)
"""Arguments that are checked when the Dag is parsed."""


PATHS = ("recipients", "results_path", "checkpoint_path")
"""Arguments whose paths Airflow stores, unless they are URLs with a secret."""


def _template_fields(constructor: Callable[..., None]) -> tuple[str, ...]:
    return tuple(RENAMED.get(name, name) for name in template_fields_of(constructor))


class BaseTicketBatchOperator(BaseTicketOperator):
    """
    An operator that creates a ticket for each of many recipients.

    Each request is built from three layers: the arguments of ``create/ticket``, which all rows share, the
    columns of the row that are named like them, and the templates in ``row_template``. A later layer
    overrides an earlier one.

    Returns a summary. Pushes it to XCom as ``summary``, even if the task fails, and twice a minute as
    ``progress`` while the task runs. It contains ``rows``, ``sent``, ``skipped`` (sent by an earlier
    attempt), ``duplicate``, ``bad``, ``rejected``, ``not_delivered``, ``unknown``, ``left`` (not sent yet),
    ``seconds``, ``requests``, ``recipients_changed``, ``dry_run`` and ``results_path``.

    :raises UsedeskInvalidRequest: when the Dag is parsed, naming every option that is not valid
    :raises AirflowFailException: when an argument or the connection is wrong, when too many rows are invalid,
        and at the end when rows failed that would fail again
    :raises AirflowException: when rows failed that a retry may send, or when the task was stopped
    """

    # A batch has no single ticket to link to.
    operator_extra_links = ()

    _personal_fields = BaseTicketOperator._personal_fields | {"row_template", *PATHS}
    _run: BatchRun | Rehearsal | None = None

    @property
    def dry_run(self) -> Callable[[], None]:
        """The method of Airflow. Code that sets it, such as a cluster policy, sets the argument."""
        return super().dry_run

    @dry_run.setter
    def dry_run(self, value: bool | str) -> None:
        self.dry_run_ = value

    @classmethod
    def argument_errors(cls, given: Mapping[str, Any], *, is_complete: bool) -> list[str]:
        from airflow_provider_usedesk.operators.batch_checks import author_errors, batch_errors

        # A row may have what is missing here, and a mapped instance checks all arguments together.
        shared = super().argument_errors(
            {name: value for name, value in given.items() if name not in CHECKED}, is_complete=False
        )
        return [*batch_errors(given, is_complete=is_complete), *author_errors(cls._profile(), given), *shared]

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Send to all recipients, push the summary to XCom, and return it.

        :param context: the context of the task
        :return: the summary
        :raises AirflowSkipException: when the run is later than ``max_lateness``
        :raises AirflowFailException: when a retry would fail again
        :raises AirflowException: when a retry may send the rest
        :raises UsedeskError: when another error ended the run
        """
        return self._run_batch(context)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """
        Continue after quiet hours, and return the summary.

        :param context: the context of the task
        :param event: what :class:`~airflow_provider_usedesk.triggers.quiet_hours.QuietHoursTrigger` fired
        :return: the summary
        """
        from airflow_provider_usedesk.compat.execution_timeout import check_execution_time
        from airflow_provider_usedesk.polling.trigger_event import has_timed_out

        if has_timed_out(event):
            check_execution_time(self, context)
        return self._run_batch(context, is_resumed=True)

    def on_kill(self) -> None:
        """Send no more rows; the checkpoint is written within seconds."""
        if self._run is not None:
            self._run.stop()

    def _render_fields(
        self, names: Sequence[str], render: Callable[[str], None], is_rendered: Callable[[Any], bool]
    ) -> None:
        # Airflow would call a function that it finds in a template field, without the context by name.
        kept = [name for name in names if name != "recipients" or not callable(self.recipients)]
        super()._render_fields(kept, render, is_rendered)

    def _stand_in(self, name: str) -> str | None:
        if name == "recipients" and callable(self.recipients):
            # Airflow would store the name of the module, which it makes up for a file.
            return f"{getattr(self.recipients, '__qualname__', type(self.recipients).__name__)}()"
        return super()._stand_in(name)

    def _is_hidden(self, name: str) -> bool:
        from airflow_provider_usedesk.batch.recipients_file import has_secrets

        # A path or a function names no recipient.
        value = getattr(self, name)
        if name in PATHS and isinstance(value, str):
            return has_secrets(value)
        return not (name == "recipients" and callable(value)) and super()._is_hidden(name)

    def _run_batch(self, context: Context, *, is_resumed: bool = False) -> dict[str, Any]:
        from airflow_provider_usedesk.batch.row import InvalidRecipients
        from airflow_provider_usedesk.operators.batch_checks import is_rehearsal

        with self._no_retry():
            options = self._options()
            try:
                if is_rehearsal(self.dry_run_, self.results_path):
                    summary = self._rehearse(context, options)
                else:
                    summary = self._send_all(context, options, is_resumed=is_resumed)
            except InvalidRecipients as error:
                raise AirflowFailException(f"recipients: {error}") from None
        return self._as_dict(summary)

    def _send_all(self, context: Context, options: BatchOptions, *, is_resumed: bool) -> Summary:
        from airflow_provider_usedesk.batch.checkpoint import DamagedCheckpoint
        from airflow_provider_usedesk.batch.loader import TooManyBadRows
        from airflow_provider_usedesk.batch.send_loop import Paused
        from airflow_provider_usedesk.operators.lateness import skip_if_late

        try:
            checkpoint = self._checkpoint(context)
            if not is_resumed:
                skip_if_late(context["dag_run"], self.max_lateness, checkpoint.has_begun)
            options = self._with_times(options, context)
            with self._results() as results:
                self._run = run = self._new_run(context, options, checkpoint, results)
                summary = run.run()
        except Paused as pause:
            self._defer_until(context, pause.until)
        except TooManyBadRows:
            self._push_summary(context, "summary", run.summary())
            raise
        except DamagedCheckpoint as error:
            raise AirflowFailException(str(error)) from None
        self._push_summary(context, "summary", summary)
        self._check_outcome(run, options, summary)
        return summary

    def _rehearse(self, context: Context, options: BatchOptions) -> Summary:
        """Write every request to the result file, send nothing, and fail as sending would."""
        from airflow_provider_usedesk.batch.rehearsal import Rehearsal
        from airflow_provider_usedesk.batch.summary import failure

        params = self._checked_params()
        # The stored clear count is that of attempts that send.
        clear_count = self._contract(context).clears.count(None)
        check = self._row_check(context, self.hook.client, params, lambda: clear_count)
        with self._results(with_requests=True) as results:
            rows, row_params = self._rows(context), self._row_params(context, params)
            self._run = run = Rehearsal(rows, row_params, check, results)
            summary = run.run()
        self._push_summary(context, "summary", summary)
        if run.was_stopped:
            raise AirflowException("The task was stopped during the rehearsal.")
        if reason := failure(summary, options):
            raise AirflowFailException(f"Rehearsal: {reason} {self._where_rows_are_named()}")
        return summary

    def _checked_arguments(self) -> dict[str, Any]:
        return {name: getattr(self, RENAMED.get(name, name)) for name in CHECKED}

    def _options(self) -> BatchOptions:
        """
        Check the options of the batch.

        :raises UsedeskInvalidRequest: naming every argument that is not valid
        """
        from airflow_provider_usedesk.batch.options import read_options
        from airflow_provider_usedesk.operators.batch_checks import batch_errors
        from airflow_provider_usedesk.operators.checks import raise_errors

        given = self._checked_arguments()
        raise_errors(batch_errors(given))
        return read_options(given, self._method().arguments, pauses=self.deferrable)

    def _checkpoint(self, context: Context) -> Checkpoint:
        from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
        from airflow_provider_usedesk.batch.folder_checkpoint import FolderCheckpoint
        from airflow_provider_usedesk.batch.state_checkpoint import (
            StateCheckpoint,
            prefix,
            stored_clear_count,
        )
        from airflow_provider_usedesk.compat.supervisor import task_store

        contract = self._contract(context)
        if self.checkpoint_path:
            return FolderCheckpoint(self._checkpoint_folder(context), contract.map_index, contract.clears)
        store = task_store(context)
        if store is None:
            raise UsedeskInvalidRequest(
                ["checkpoint_path: is required before Airflow 3.3, which has no task state store"]
            )
        clear_count = stored_clear_count(store, contract.clears)
        return StateCheckpoint(store, prefix(clear_count), clear_count)

    def _checkpoint_folder(self, context: Context) -> FolderStore:
        """Return the folder that all attempts and all mapped instances of the task in this run share."""
        from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
        from airflow_provider_usedesk.batch.digests import as_hex, digest
        from airflow_provider_usedesk.compat.stores import FolderStore

        ti, folder = context["ti"], str(self.checkpoint_path).removeprefix("file://")
        name = as_hex(digest(json.dumps([ti.dag_id, ti.run_id, ti.task_id])))
        try:
            return FolderStore((object_storage_path if "://" in folder else Path)(folder) / name)
        except ImportError as error:
            raise UsedeskInvalidRequest([f"checkpoint_path: {error}"]) from None

    def _with_times(self, options: BatchOptions, context: Context) -> BatchOptions:
        return replace(
            options,
            look_up_since=self._look_up_since(context),
            longest_request=timedelta(seconds=self.hook.settings().longest_request),
        )

    def _look_up_since(self, context: Context) -> datetime | None:
        """
        Return since when rows have to be looked up that are not in the checkpoint.

        After a clear the rows may be distributed to the mapped instances in another way. Without a folder an
        instance does not see what the others sent, and Airflow may have deleted the checkpoint of a task that
        succeeded. With new idempotency keys nobody sent any.
        """
        contract = self._contract(context)
        forgets = conf.getboolean("state_store", "clear_on_success", fallback=False)
        may_be_unknown = contract.clears.clear_number > 0 and (contract.map_index >= 0 or forgets)
        if not may_be_unknown or self.checkpoint_path or self.send_again_on_clear:
            return None
        return contract.run_began

    def _row_key(self, context: Context) -> Callable[[int, str], str]:
        """
        Return the function that makes the idempotency key of a row from the clear count and its id.

        The key is the same under each map index: after a clear another mapped instance may have the row.
        """
        from airflow_provider_usedesk.idempotency.keys import IdempotencyKey, row_place

        contract = self._contract(context)
        base, label = cache(contract.base), contract.label
        return lambda clear_count, row_id: str(
            IdempotencyKey(base(clear_count), row_place(row_id), label=label)
        )

    def _results(self, *, with_requests: bool = False) -> AbstractContextManager[ResultWriter]:
        from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
        from airflow_provider_usedesk.batch.result_file import NoResultFile, ResultFile

        if not self.results_path:
            return nullcontext(NoResultFile())
        try:
            return ResultFile(self.results_path, object_storage_path, with_requests=with_requests)
        except ValueError as error:
            raise UsedeskInvalidRequest([f"results_path: {error}"]) from None

    def _new_run(
        self, context: Context, options: BatchOptions, checkpoint: Checkpoint, results: ResultWriter
    ) -> BatchRun:
        from airflow_provider_usedesk.batch.runner import BatchRun
        from airflow_provider_usedesk.batch.send_lease import SendLease

        lease, params = SendLease(), self._checked_params()
        io = self._batch_io(context, lease, params, results, checkpoint)
        rows, row_params = self._rows(context), self._row_params(context, params)
        return BatchRun(rows, row_params, checkpoint, options, io, lease)

    def _checked_params(self) -> dict[str, Any]:
        """Return the parameters that all rows share; those that rows may override are not checked."""
        params = self._with_region(with_lists(self._params()))
        _check_region(params["phone_region"])
        return params

    def _rows(self, context: Context) -> Iterator[Row | UnreadableRow]:
        from airflow_provider_usedesk.batch.rows import read_rows

        try:
            return read_rows(self._source(context), object_storage_path, self._file_options())
        except OSError as error:
            # With a retry: the file may exist then.
            raise AirflowException(f"recipients: {error}") from None

    def _row_check(
        self,
        context: Context,
        client: UsedeskClient,
        params: Mapping[str, Any],
        clear_count: Callable[[], int],
    ) -> RowCheck:
        from airflow_provider_usedesk.batch.sender import RowCheck

        row_key = self._row_key(context)
        return RowCheck(
            client,
            self._profile(),
            lambda row_id: row_key(clear_count(), row_id),
            params.get("files"),
            object_storage_path,
        )

    def _batch_io(
        self,
        context: Context,
        lease: SendLease,
        params: Mapping[str, Any],
        results: ResultWriter,
        checkpoint: Checkpoint,
    ) -> BatchIO:
        from airflow_provider_usedesk.batch.batch_io import BatchIO
        from airflow_provider_usedesk.batch.sender import MessageSender

        client: UsedeskClient = self.hook.interruptible_client(MAX_WAIT, lease.pause)
        # The checkpoint knows its clear count once it is loaded.
        check = self._row_check(context, client, params, lambda: checkpoint.clear_count)
        sender = MessageSender(
            check,
            lease,
            self.hook.delivery_settings().consistency_delay,
            params.get("channel_id"),
            self.on_no_confirmation == "warn",
        )
        return BatchIO(
            check=check,
            send=sender.send,
            look_up=sender.look_up,
            results=results,
            report=lambda summary: self._push_summary(context, "progress", summary),
            count_requests=lambda: client.requests,
        )

    def _file_options(self) -> FileOptions:
        from airflow_provider_usedesk.batch.file_options import file_options

        return file_options(
            **{name: getattr(self, name) for name in FILE_OPTIONS},
            row_key=self.row_key,
            row_template=self.row_template,
            arguments=self._method().arguments,
        )

    def _source(self, context: Context) -> Any:
        from airflow_provider_usedesk.compat.sdk import determine_kwargs

        if callable(self.recipients):
            return partial(self.recipients, **determine_kwargs(self.recipients, (), context))
        return self.recipients

    def _row_params(self, context: Context, params: Mapping[str, Any]) -> RowParams:
        from airflow_provider_usedesk.batch.row_params import RowParams

        templates = dict(self.row_template or {})
        if "message" in templates:
            templates["message"] = self._text_of_message(templates["message"])
        return RowParams(
            shared=params,
            names=self._method().arguments,
            templates=templates,
            key=self.row_key,
            environment=self._text_environment(),
            context=context,
        )

    def _text_environment(self) -> Environment:
        """Return an environment that renders texts in any Dag; native rendering makes 10.0 of 10.00."""
        dag = self.get_dag()
        return dag.get_template_env(force_sandboxed=True) if dag else self.get_template_env()

    def _push_summary(self, context: Context, key: str, summary: Summary) -> None:
        if self.do_xcom_push:
            context["ti"].xcom_push(key=key, value=self._as_dict(summary))

    def _as_dict(self, summary: Summary) -> dict[str, Any]:
        from airflow_provider_usedesk.batch.recipients_file import has_secrets, without_secrets

        path = self.results_path or None
        shown = without_secrets(path) if path and has_secrets(str(path)) else path
        return {**summary.as_dict(), "results_path": shown}

    def _defer_until(self, context: Context, until: datetime) -> NoReturn:
        from airflow_provider_usedesk.compat.execution_timeout import carried_end, execution_end
        from airflow_provider_usedesk.polling.trigger_event import defer_timeout
        from airflow_provider_usedesk.triggers.quiet_hours import QuietHoursTrigger

        end, timeout = execution_end(self, context), None
        self.log.info("Quiet hours until %s; the other rows are sent then.", until.isoformat())
        if end is not None:
            timeout = defer_timeout(datetime.now(UTC), min(until, end))
            if end < until:
                self.log.warning(
                    "execution_timeout ends this attempt before the quiet hours end, at %s.", end.isoformat()
                )
        trigger = QuietHoursTrigger(until=until.isoformat(), deadline=end.isoformat() if end else None)
        self.defer(
            trigger=trigger,
            method_name="execute_complete",
            kwargs=carried_end(self, context),
            timeout=timeout,
        )

    def _where_rows_are_named(self) -> str:
        return f"The log names the first rows{', the results file all' if self.results_path else ''}."

    def _check_outcome(self, run: BatchRun, options: BatchOptions, summary: Summary) -> None:
        """Fail the task if its options say so, without a retry if a retry would fail again."""
        from airflow_provider_usedesk.batch.summary import failure

        if run.halted_by is not None:
            with self._no_retry():
                raise run.halted_by
        if run.was_stopped:
            raise AirflowException(
                f"The task was stopped with {summary.left} rows left. The next attempt sends them."
            )
        reason = failure(summary, options)
        # Rows that are left need another attempt, unless the failures of others were to end the batch.
        is_ended = reason is not None and run.has_too_many_failures
        can_retry = summary.unknown > 0 or (run.was_cut_short and not is_ended)
        rest = _rest(summary, is_sent_next=can_retry) if run.was_cut_short else None
        if reason or rest:
            texts = (reason, rest, self._where_rows_are_named() if reason else None)
            raise (AirflowException if can_retry else AirflowFailException)(" ".join(filter(None, texts)))


def _rest(summary: Summary, *, is_sent_next: bool) -> str:
    """Return how many rows a batch left that ended early."""
    number = f"{summary.left}" if summary.rows is not None else f"at least {summary.left}"
    return f"Ended early with {number} rows left.{' The next attempt sends them.' if is_sent_next else ''}"


def _check_region(region: Any) -> None:
    """
    Check the phone region of all rows, so that not each of them is refused.

    :raises UsedeskInvalidRequest: when its phone numbers cannot be read
    """
    from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
    from airflow_provider_usedesk.api.phone import checked_region

    if region is None:
        return
    try:
        checked_region(region)
    except ValueError as error:
        raise UsedeskInvalidRequest([f"phone_region: {error}"]) from None


class CreateTicketBatchOperator(BaseTicketBatchOperator):
    """
    Create a ticket for each of many recipients.

    See the API method ``create/ticket``: https://api.usedocs.com/article/51378. Returns a summary of the
    rows. Pushes it to XCom as ``summary``, even if the task fails, and as ``progress`` while the task runs.

    :param recipients: the rows: a list of dicts or an XComArg of one; the path or URL
        (``s3://conn_id@bucket/key``, ``https://…``) of a .csv, .tsv, .jsonl, .ndjson or .xlsx file; or a
        function that returns or yields dicts, and may take parts of the context by name (templated)
    :param row_key: the column that identifies a row, or a template such as ``{{ row.client }}-{{ row.month
        }}``; rows with one key and different contents are invalid; in a mapped task the keys of all instances
        must differ
    :param row_template: a dict of arguments of ``create/ticket`` whose texts are rendered for each row, with
        its columns as ``{{ row.name }}``; ``message`` may name a template file; default: none
    :param columns: a dict of column names by heading, such as ``{"Телефон": "client_phone"}``; default: none,
        headings are names
    :param delimiter: character between two fields of a .csv or .tsv file; default: found from its header and
        its first rows
    :param encoding: encoding of a text file, such as ``cp1251``; default: UTF-8, or what its byte order mark
        says
    :param subject: subject of all tickets, text of at most 255 characters (templated)
    :param message: message of all tickets, text of at most 65,535 bytes; or the name of a template file that
        ends in .html, .md or .txt (templated)
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
    :param files: files to attach to each ticket: local paths, URLs of object storage
        (``s3://conn_id@bucket/key``) or (name, content), one or a list; rows name paths and URLs only
        (templated)
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
    :param additional_id: your own id of the ticket; give each row a different one, with a column or in
        ``row_template`` (templated)
    :param results_path: a .csv, .jsonl or .ndjson file, on disk or object storage, to which the result of
        each row is written; default: none (templated)
    :param checkpoint_path: folder for the checkpoint, on a disk that all workers share or on object storage;
        required before Airflow 3.3; default: the task state store (templated)
    :param dry_run: whether to rehearse: all rows are read, rendered and checked, every request is written to
        ``results_path``, and nothing is sent or stored; a bool, ``"true"`` or ``"false"``; default: false
        (templated)
    :param validate: ``first`` checks all rows before any is sent, ``row`` checks each before it is sent;
        default: first
    :param max_bad_rows: how many rows may have validation errors, a whole number or a percentage of all rows
        such as ``"2.5%"``; these rows are not sent; with more of them the task fails, before any row is sent
        or, with ``validate="row"``, at the end; default: 0
    :param max_failures: how many rows may fail, a whole number or a percentage of all rows such as
        ``"2.5%"``; with more of them the batch stops and the task fails; default: None, any number
    :param fail_on: when the task fails at the end: with ``any`` if a row failed, with ``all`` if rows failed
        and none was sent, with ``none`` never; a row has failed if it is rejected, unknown or not delivered;
        default: any
    :param fail_if_empty: whether the task fails if there are no recipients; otherwise it warns; default:
        false
    :param on_duplicate: whether a row that has the key and the content of an earlier one is not sent
        (``skip``), or is invalid (``fail``); default: skip
    :param on_not_delivered: whether a row that the messenger did not accept has failed (``fail``) or not
        (``ignore``); it is not sent again; default: fail
    :param on_no_confirmation: what to do when a message for a messenger has neither ``message_status`` nor
        ``chat_id`` in its response: with ``fail`` the row is ``not_delivered``, and the batch stops if all
        rows share the channel; with ``warn`` the row is ``sent``, for an account that never returns them;
        default: fail
    :param quiet_hours: two times of day between which no row is sent, such as ``("22:00", "08:00")``;
        default: none
    :param timezone: time zone of ``quiet_hours``, such as ``Europe/Berlin``; required with them
    :param in_quiet_hours: what happens to rows that are not sent yet: with ``wait`` they are sent after the
        quiet hours; with ``leave`` they count as ``left``, the task succeeds, and nothing sends them later by
        itself; default: wait
    :param max_lateness: how late a run may begin after its scheduled moment, such as ``timedelta(hours=2)``;
        a later run is skipped; there is no limit for a run triggered by hand, by the API or by another Dag,
        for a retry or a clear of a run that has begun, and for the time of quiet hours; default: None, no
        limit
    :param max_in_flight: number of requests at the same time, 1 to 64; default: 8
    :param deferrable: whether to wait for the end of quiet hours in the triggerer; default: ``[operators]
        default_deferrable``
    :param on_unknown_outcome: what to do when an earlier attempt may have reached Usedesk: ``verify`` (search
        Usedesk for its ticket), ``fail``, or ``send`` (a client may get the message twice); default: verify
    :param send_again_on_clear: whether clearing the task sends again; default: false
    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    :raises AirflowFailException: when an argument or the connection is wrong, when too many rows are invalid,
        and at the end when rows failed that would fail again
    :raises AirflowException: when rows failed that a retry may send, or when the task was stopped
    """

    def __init__(
        self,
        *,
        recipients: Any,
        row_key: str,
        row_template: Mapping[str, Any] | None = None,
        columns: Mapping[str, str] | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        subject: Templated[str] | None = None,
        message: Templated[str] | None = None,
        client_name: Templated[str] | None = None,
        client_email: Templated[str] | None = None,
        client_id: Templated[Id] | None = None,
        client_phone: Templated[int | str] | None = None,
        phone_region: Templated[str] | None = None,
        username: Templated[str] | None = None,
        company_name: Templated[str] | None = None,
        channel_id: Templated[Id] | None = None,
        priority: Templated[Priority] | None = None,
        type: Templated[TicketType] | None = None,
        status: Templated[Status] | None = None,
        tag: Templated[Texts] | None = None,
        assignee_id: Templated[Id] | None = None,
        group_id: Templated[Id] | None = None,
        private_comment: Templated[Flag] | None = None,
        files: Any = None,
        custom_fields: Templated[Mapping[Any, Any] | str] | None = None,
        field_id: Templated[Id | Sequence[Id]] | None = None,
        field_value: Any = None,
        lists: Templated[Sequence[Any] | str] | None = None,
        from_: Templated[Author] | None = None,
        user_id: Templated[Id] | None = None,
        trigger_id: Templated[Id] | None = None,
        template_id: Templated[Id] | None = None,
        template_name: Templated[str] | None = None,
        template_variables: Templated[Sequence[Any] | str] | None = None,
        template_lang: Templated[str] | None = None,
        client_country: Templated[str] | None = None,
        client_city: Templated[str] | None = None,
        client_address: Templated[str] | None = None,
        new_address: Templated[bool | str] | None = None,
        phone_type: Templated[PhoneType] | None = None,
        additional_id: Templated[Id] | None = None,
        results_path: Templated[str] | None = None,
        checkpoint_path: Templated[str] | None = None,
        dry_run: bool | str = False,
        validate: Literal["first", "row"] = "first",
        max_bad_rows: int | str = 0,
        max_failures: int | str | None = None,
        fail_on: Literal["any", "all", "none"] = "any",
        fail_if_empty: bool = False,
        on_duplicate: Literal["skip", "fail"] = "skip",
        on_not_delivered: Literal["fail", "ignore"] = "fail",
        on_no_confirmation: OnNoConfirmation = "fail",
        quiet_hours: tuple[str | time, str | time] | None = None,
        timezone: str | tzinfo | None = None,
        in_quiet_hours: Literal["wait", "leave"] = "wait",
        max_lateness: timedelta | None = None,
        max_in_flight: int = 8,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        on_unknown_outcome: OnUnknown = "verify",
        send_again_on_clear: bool = False,
        usedesk_conn_id: str = "usedesk_default",
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        check_arguments(self, locals())
        super().__init__(usedesk_conn_id=usedesk_conn_id, **kwargs)
        assign_arguments(self, locals())

    template_fields: Sequence[str] = _template_fields(__init__)

    @classmethod
    def _profile(cls) -> MessageProfile:
        from airflow_provider_usedesk.api.ticket import TICKET

        return TICKET


class SendWhatsAppTemplateBatchOperator(BaseTicketBatchOperator):
    """
    Send a WhatsApp Business template to each of many recipients.

    See the API method ``create/ticket``: https://api.usedocs.com/article/51378. Returns a summary of the
    rows. Pushes it to XCom as ``summary``, even if the task fails, and as ``progress`` while the task runs.

    :param recipients: the rows: a list of dicts or an XComArg of one; the path or URL
        (``s3://conn_id@bucket/key``, ``https://…``) of a .csv, .tsv, .jsonl, .ndjson or .xlsx file; or a
        function that returns or yields dicts, and may take parts of the context by name (templated)
    :param row_key: the column that identifies a row, or a template such as ``{{ row.client }}-{{ row.month
        }}``; rows with one key and different contents are invalid; in a mapped task the keys of all instances
        must differ
    :param row_template: a dict of arguments of ``create/ticket`` whose texts are rendered for each row, with
        its columns as ``{{ row.name }}``; ``message`` may name a template file; default: none
    :param columns: a dict of column names by heading, such as ``{"Телефон": "client_phone"}``; default: none,
        headings are names
    :param delimiter: character between two fields of a .csv or .tsv file; default: found from its header and
        its first rows
    :param encoding: encoding of a text file, such as ``cp1251``; default: UTF-8, or what its byte order mark
        says
    :param channel_id: id of the WhatsApp channel, 32-bit number (templated)
    :param template_id: id of a WhatsApp Business template (pact), 32-bit number (templated)
    :param template_name: name of a WhatsApp Business template (Landbot, infobip), text of at most 255
        characters (templated)
    :param template_variables: texts for the variables of the template in their order, a list (templated)
    :param template_lang: language of the template; default of Usedesk: ru (templated)
    :param subject: subject of all tickets, text of at most 255 characters (templated)
    :param message: message of all tickets, text of at most 65,535 bytes; or the name of a template file that
        ends in .html, .md or .txt (templated)
    :param client_name: name of the client, text of at most 255 characters (templated)
    :param client_email: email address of the client, text of at most 255 characters (templated)
    :param client_id: id of the client, 32-bit number, or ``new_client`` to create a client (templated)
    :param client_phone: phone number of the client with country code, text or number; spaces, brackets,
        dashes and dots are removed; without ``phone_region`` no digit is changed (templated)
    :param phone_region: country of a phone number without country code, two letters such as ``RU``; needs the
        library phonenumbers, from ``airflow-provider-usedesk[phone]``; default: that of the connection
        (templated)
    :param company_name: company of the client, text of at most 255 characters; Usedesk creates it if it does
        not exist, and moves the client to it (templated)
    :param priority: ``low``, ``medium``, ``urgent`` or ``extreme``; default of Usedesk: medium (templated)
    :param type: ``question``, ``task``, ``problem`` or ``incident``; default of Usedesk: question (templated)
    :param status: number or name of a status, such as ``new`` or ``on hold``; default of Usedesk: 8, new
        (templated)
    :param tag: tags, a list or a text with commas, together at most 255 characters (templated)
    :param assignee_id: id of the agent, 32-bit number (templated)
    :param group_id: id of the group, 32-bit number (templated)
    :param custom_fields: values of custom fields, a dict of {id: value}; a bool for a checkbox, the id of the
        option for a list (templated)
    :param field_id: instead of ``custom_fields``: ids of custom fields, a list or a text with ``;``
        (templated)
    :param field_value: the values for ``field_id``, a list or a text with ``;`` (templated)
    :param lists: values of nested lists, a list of lists of {"id": …, "value": …}, parents first (templated)
    :param from_: author of the message, must be ``user``; default: user (templated)
    :param user_id: id of the agent for ``from_="user"``, 32-bit number (templated)
    :param trigger_id: id of the trigger for ``from_="trigger"``, 32-bit number (templated)
    :param client_country: country of the client, text of at most 255 characters (templated)
    :param client_city: city of the client, text of at most 255 characters (templated)
    :param client_address: address of the client, text of at most 255 characters (templated)
    :param new_address: true to add the address to the other addresses of the client (templated)
    :param phone_type: ``home``, ``mobile``, ``stationary``, ``fax`` or ``other`` (templated)
    :param additional_id: your own id of the ticket; give each row a different one, with a column or in
        ``row_template`` (templated)
    :param results_path: a .csv, .jsonl or .ndjson file, on disk or object storage, to which the result of
        each row is written; default: none (templated)
    :param checkpoint_path: folder for the checkpoint, on a disk that all workers share or on object storage;
        required before Airflow 3.3; default: the task state store (templated)
    :param dry_run: whether to rehearse: all rows are read, rendered and checked, every request is written to
        ``results_path``, and nothing is sent or stored; a bool, ``"true"`` or ``"false"``; default: false
        (templated)
    :param validate: ``first`` checks all rows before any is sent, ``row`` checks each before it is sent;
        default: first
    :param max_bad_rows: how many rows may have validation errors, a whole number or a percentage of all rows
        such as ``"2.5%"``; these rows are not sent; with more of them the task fails, before any row is sent
        or, with ``validate="row"``, at the end; default: 0
    :param max_failures: how many rows may fail, a whole number or a percentage of all rows such as
        ``"2.5%"``; with more of them the batch stops and the task fails; default: None, any number
    :param fail_on: when the task fails at the end: with ``any`` if a row failed, with ``all`` if rows failed
        and none was sent, with ``none`` never; a row has failed if it is rejected, unknown or not delivered;
        default: any
    :param fail_if_empty: whether the task fails if there are no recipients; otherwise it warns; default:
        false
    :param on_duplicate: whether a row that has the key and the content of an earlier one is not sent
        (``skip``), or is invalid (``fail``); default: skip
    :param on_not_delivered: whether a row that the messenger did not accept has failed (``fail``) or not
        (``ignore``); it is not sent again; default: fail
    :param on_no_confirmation: what to do when a message for a messenger has neither ``message_status`` nor
        ``chat_id`` in its response: with ``fail`` the row is ``not_delivered``, and the batch stops if all
        rows share the channel; with ``warn`` the row is ``sent``, for an account that never returns them;
        default: fail
    :param quiet_hours: two times of day between which no row is sent, such as ``("22:00", "08:00")``;
        default: none
    :param timezone: time zone of ``quiet_hours``, such as ``Europe/Berlin``; required with them
    :param in_quiet_hours: what happens to rows that are not sent yet: with ``wait`` they are sent after the
        quiet hours; with ``leave`` they count as ``left``, the task succeeds, and nothing sends them later by
        itself; default: wait
    :param max_lateness: how late a run may begin after its scheduled moment, such as ``timedelta(hours=2)``;
        a later run is skipped; there is no limit for a run triggered by hand, by the API or by another Dag,
        for a retry or a clear of a run that has begun, and for the time of quiet hours; default: None, no
        limit
    :param max_in_flight: number of requests at the same time, 1 to 64; default: 8
    :param deferrable: whether to wait for the end of quiet hours in the triggerer; default: ``[operators]
        default_deferrable``
    :param on_unknown_outcome: what to do when an earlier attempt may have reached Usedesk: ``verify`` (search
        Usedesk for its ticket), ``fail``, or ``send`` (a client may get the message twice); default: verify
    :param send_again_on_clear: whether clearing the task sends again; default: false
    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    :raises AirflowFailException: when an argument or the connection is wrong, when too many rows are invalid,
        and at the end when rows failed that would fail again
    :raises AirflowException: when rows failed that a retry may send, or when the task was stopped
    """

    def __init__(
        self,
        *,
        recipients: Any,
        row_key: str,
        row_template: Mapping[str, Any] | None = None,
        columns: Mapping[str, str] | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        channel_id: Templated[Id] | None = None,
        template_id: Templated[Id] | None = None,
        template_name: Templated[str] | None = None,
        template_variables: Templated[Sequence[Any] | str] | None = None,
        template_lang: Templated[str] | None = None,
        subject: Templated[str] | None = None,
        message: Templated[str] | None = None,
        client_name: Templated[str] | None = None,
        client_email: Templated[str] | None = None,
        client_id: Templated[Id] | None = None,
        client_phone: Templated[int | str] | None = None,
        phone_region: Templated[str] | None = None,
        company_name: Templated[str] | None = None,
        priority: Templated[Priority] | None = None,
        type: Templated[TicketType] | None = None,
        status: Templated[Status] | None = None,
        tag: Templated[Texts] | None = None,
        assignee_id: Templated[Id] | None = None,
        group_id: Templated[Id] | None = None,
        custom_fields: Templated[Mapping[Any, Any] | str] | None = None,
        field_id: Templated[Id | Sequence[Id]] | None = None,
        field_value: Any = None,
        lists: Templated[Sequence[Any] | str] | None = None,
        from_: Templated[Author] = "user",
        user_id: Templated[Id] | None = None,
        trigger_id: Templated[Id] | None = None,
        client_country: Templated[str] | None = None,
        client_city: Templated[str] | None = None,
        client_address: Templated[str] | None = None,
        new_address: Templated[bool | str] | None = None,
        phone_type: Templated[PhoneType] | None = None,
        additional_id: Templated[Id] | None = None,
        results_path: Templated[str] | None = None,
        checkpoint_path: Templated[str] | None = None,
        dry_run: bool | str = False,
        validate: Literal["first", "row"] = "first",
        max_bad_rows: int | str = 0,
        max_failures: int | str | None = None,
        fail_on: Literal["any", "all", "none"] = "any",
        fail_if_empty: bool = False,
        on_duplicate: Literal["skip", "fail"] = "skip",
        on_not_delivered: Literal["fail", "ignore"] = "fail",
        on_no_confirmation: OnNoConfirmation = "fail",
        quiet_hours: tuple[str | time, str | time] | None = None,
        timezone: str | tzinfo | None = None,
        in_quiet_hours: Literal["wait", "leave"] = "wait",
        max_lateness: timedelta | None = None,
        max_in_flight: int = 8,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        on_unknown_outcome: OnUnknown = "verify",
        send_again_on_clear: bool = False,
        usedesk_conn_id: str = "usedesk_default",
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        check_arguments(self, locals())
        super().__init__(usedesk_conn_id=usedesk_conn_id, **kwargs)
        assign_arguments(self, locals())

    template_fields: Sequence[str] = _template_fields(__init__)

    @classmethod
    def _profile(cls) -> MessageProfile:
        from airflow_provider_usedesk.api.ticket import WHATSAPP_TEMPLATE

        return WHATSAPP_TEMPLATE

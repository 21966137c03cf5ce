"""
Write the signatures and the documentation of operators and methods from ``api/parameters.py``.

``make signatures`` runs it. Editors and type checkers read arguments only where they are written out, so each
operator and each method shows all of its arguments, but only here and in ``api/parameters.py`` are they kept.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "airflow_provider_usedesk"
WIDTH = 110
REQUIRED = ""
METHODS = PACKAGE / "api/signatures.py"
METHODS_DOCSTRING = '''"""
The parameters of the methods as arguments of functions, for editors. ``make signatures`` writes this module.

Pyright and mypy read the parameters of a method of the client from ``Unpack``, jedi from a function to which
they are passed on. Nothing imports this module at run time.
"""'''


@dataclass(frozen=True)
class Argument:
    """
    One argument of a signature.

    :param annotation: its type, as source
    :param default: its default, as source; empty if it is required
    :param doc: its documentation
    """

    annotation: str
    default: str
    doc: str


def _argument(annotation: str, default: str, doc: str) -> Argument:
    return Argument(annotation, default, " ".join(doc.split()))


DEFERRABLE = 'conf.getboolean("operators", "default_deferrable", fallback=False)'
SEVERAL = "set it in mapped tasks, and in a task that executes the operator several times"
TEMPLATE_FILE = "; or the name of a template file that ends in .html, .md or .txt"

OURS: Mapping[str, Argument] = {
    "usedesk_conn_id": _argument(
        "str",
        '"usedesk_default"',
        "id of an Airflow connection of type usedesk; default: usedesk_default (templated)",
    ),
    "message_key": _argument(
        "Templated[str] | None",
        "None",
        f"""text that names the message and is the same in each attempt, such as the id of an appointment;
        {SEVERAL}; default: none (templated)""",
    ),
    "on_unknown_outcome": _argument(
        "OnUnknown",
        '"verify"',
        """what to do when an earlier attempt may have reached Usedesk: ``verify`` (search Usedesk for its
        ticket), ``fail``, or ``send`` (a client may get the message twice); default: verify""",
    ),
    "send_again_on_clear": _argument(
        "bool", "False", "whether clearing the task sends again; default: false"
    ),
    "on_not_delivered": _argument(
        "OnNotDelivered",
        '"fail"',
        """what to do when the messenger did not accept the message: ``fail`` without a retry, ``ignore``, or
        ``resend`` once, which creates a second ticket; default: fail""",
    ),
    "on_no_confirmation": _argument(
        "OnNoConfirmation",
        '"fail"',
        """what to do when the response to a message for a messenger has neither ``message_status`` nor
        ``chat_id``, as with a wrong ``channel_id``: ``fail`` without a retry, or ``warn`` if your account
        never returns them; default: fail""",
    ),
    "wait_for_delivery": _argument(
        "bool",
        "False",
        """whether to wait until the message is delivered, as ``MessageDeliverySensor`` does with
        ``source="auto"``; the ids are in XCom before the wait; if the message is not delivered in time, the
        task fails; default: false""",
    ),
    "deferrable": _argument(
        "bool",
        DEFERRABLE,
        "whether to wait in the triggerer; default: ``[operators] default_deferrable``",
    ),
    "delivery_timeout": _argument(
        "timedelta | float",
        "timedelta(minutes=10)",
        "how long to wait, timedelta or seconds, above 0, at most a year; default: 10 minutes",
    ),
    "delivery_poke_interval": _argument(
        "timedelta | float",
        "timedelta(seconds=30)",
        "time between two polls, timedelta or seconds, above 0, at most a year; default: 30 seconds",
    ),
    "recipients": _argument(
        "Any",
        REQUIRED,
        """the rows: a list of dicts or an XComArg of one; the path or URL (``s3://conn_id@bucket/key``,
        ``https://…``) of a .csv, .tsv, .jsonl, .ndjson or .xlsx file; or a function that returns or yields
        dicts, and may take parts of the context by name (templated)""",
    ),
    "row_key": _argument(
        "str",
        REQUIRED,
        """the column that identifies a row, or a template such as ``{{ row.client }}-{{ row.month }}``; rows
        with one key and different contents are invalid; in a mapped task the keys of all instances must
        differ""",
    ),
    "row_template": _argument(
        "Mapping[str, Any] | None",
        "None",
        """a dict of arguments of ``create/ticket`` whose texts are rendered for each row, with its columns as
        ``{{ row.name }}``; ``message`` may name a template file; default: none""",
    ),
    "columns": _argument(
        "Mapping[str, str] | None",
        "None",
        """a dict of column names by heading, such as ``{"Телефон": "client_phone"}``; default: none,
        headings are names""",
    ),
    "delimiter": _argument(
        "str | None",
        "None",
        """character between two fields of a .csv or .tsv file; default: found from its header and its first
        rows""",
    ),
    "encoding": _argument(
        "str | None",
        "None",
        """encoding of a text file, such as ``cp1251``; default: UTF-8, or what its byte order mark says""",
    ),
    "max_in_flight": _argument("int", "8", "number of requests at the same time, 1 to 64; default: 8"),
    "validate": _argument(
        'Literal["first", "row"]',
        '"first"',
        """``first`` checks all rows before any is sent, ``row`` checks each before it is sent; default:
        first""",
    ),
    "max_bad_rows": _argument(
        "int | str",
        "0",
        """how many rows may have validation errors, a whole number or a percentage of all rows such as
        ``"2.5%"``; these rows are not sent; with more of them the task fails, before any row is sent or, with
        ``validate="row"``, at the end; default: 0""",
    ),
    "max_failures": _argument(
        "int | str | None",
        "None",
        """how many rows may fail, a whole number or a percentage of all rows such as ``"2.5%"``; with more of
        them the batch stops and the task fails; default: None, any number""",
    ),
    "fail_on": _argument(
        'Literal["any", "all", "none"]',
        '"any"',
        """when the task fails at the end: with ``any`` if a row failed, with ``all`` if rows failed and none
        was sent, with ``none`` never; a row has failed if it is rejected, unknown or not delivered; default:
        any""",
    ),
    "on_duplicate": _argument(
        'Literal["skip", "fail"]',
        '"skip"',
        """whether a row that has the key and the content of an earlier one is not sent (``skip``), or is
        invalid (``fail``); default: skip""",
    ),
    "fail_if_empty": _argument(
        "bool",
        "False",
        """whether the task fails if there are no recipients; otherwise it warns; default: false""",
    ),
    "results_path": _argument(
        "Templated[str] | None",
        "None",
        """a .csv, .jsonl or .ndjson file, on disk or object storage, to which the result of each row is
        written; default: none (templated)""",
    ),
    "checkpoint_path": _argument(
        "Templated[str] | None",
        "None",
        """folder for the checkpoint, on a disk that all workers share or on object storage; required before
        Airflow 3.3; default: the task state store (templated)""",
    ),
    "quiet_hours": _argument(
        "tuple[str | time, str | time] | None",
        "None",
        """two times of day between which no row is sent, such as ``("22:00", "08:00")``; default: none""",
    ),
    "timezone": _argument(
        "str | tzinfo | None",
        "None",
        "time zone of ``quiet_hours``, such as ``Europe/Berlin``; required with them",
    ),
    "in_quiet_hours": _argument(
        'Literal["wait", "leave"]',
        '"wait"',
        """what happens to rows that are not sent yet: with ``wait`` they are sent after the quiet hours; with
        ``leave`` they count as ``left``, the task succeeds, and nothing sends them later by itself; default:
        wait""",
    ),
    "max_lateness": _argument(
        "timedelta | None",
        "None",
        """how late a run may begin after its scheduled moment, such as ``timedelta(hours=2)``; a later run is
        skipped; there is no limit for a run triggered by hand, by the API or by another Dag, for a retry or a
        clear of a run that has begun, and for the time of quiet hours; default: None, no limit""",
    ),
    "dry_run": _argument(
        "bool | str",
        "False",
        """whether to rehearse: all rows are read, rendered and checked, every request is written to
        ``results_path``, and nothing is sent or stored; a bool, ``"true"`` or ``"false"``; default: false
        (templated)""",
    ),
    "find_existing": _argument(
        "FindBy | None",
        "None",
        "``email`` or ``phone``: search first, and return the oldest client who has it; default: None, "
        "always create a client",
    ),
}
CHOICES = ("Author", "Flag", "PhoneType", "Priority", "Status", "TicketType")
"""Types of ``api/parameters.py`` that do not accept any text."""
NOTIFIER: Mapping[str, Argument] = {
    "one_open_ticket_per": _argument(
        "Scope | None",
        "None",
        """``dag``, ``task`` or ``run``: while the ticket of an earlier alert is open, add a private comment
        to it instead of opening another ticket. In the callback of a whole Dag ``task`` counts as ``dag``.
        Default: open a ticket for each alert""",
    ),
    "tag_prefix": _argument(
        "str | None",
        "None",
        """first part of the tag that identifies the open ticket, 1 to 40 characters; default: the key prefix
        of the connection, which differs if several Airflows share an account""",
    ),
    "resolve": _argument(
        "bool",
        "False",
        """whether this alert ends the incident: add a comment to its open ticket and set it to solved, or do
        nothing if there is none. Needs ``one_open_ticket_per``. The success of a task ends only an incident
        of that task, and not if the task is mapped. Default: false""",
    ),
    "repeat_priority": _argument(
        "Priority | None",
        "None",
        """priority of the open ticket from the second alert on: ``low``, ``medium``, ``urgent`` or
        ``extreme``. It is only raised, never lowered. Needs ``one_open_ticket_per``. Default: the priority
        stays""",
    ),
    "timeout": _argument(
        "float",
        "30.0",
        "seconds for the whole alert; default: 30. On Airflow 3 all callbacks of a task together have "
        "``[core] task_success_overtime``, 20 seconds by default; the alert ends 2 seconds before that",
    ),
    "context": _argument(
        "Context | None", "None", "set by Airflow when it creates the notifier itself, for deadline alerts"
    ),
}
SENSOR: Mapping[str, Argument] = {
    "ticket_id": _argument("Templated[Id]", REQUIRED, "id of the ticket, 32-bit number (templated)"),
    "max_failures": _argument(
        "int",
        "10",
        """number of polls in a row that do not reach Usedesk, after which the task fails, at least 1; in
        ``reschedule`` mode, which cannot count, 1 fails at the first and more at ``timeout``; default: 10""",
    ),
}
STATUS_SENSOR: Mapping[str, Argument] = {
    "target_statuses": _argument(
        "Templated[Statuses]",
        '("solved", "closed")',
        """names or numbers of the statuses to wait for, one or a list; default: solved, closed
        (templated)""",
    ),
    "failed_statuses": _argument(
        "Templated[Statuses] | None",
        "None",
        """names or numbers of the statuses that fail the task at once, one or a list; with an empty list no
        status fails it; default: deleted, spam, merged (templated)""",
    ),
}
DELIVERY_SENSOR: Mapping[str, Argument] = {
    "comment_id": _argument(
        "Templated[Id] | None",
        "None",
        "id of the message, 32-bit number; default: any message of the ticket (templated)",
    ),
    "source": _argument(
        "Source",
        '"auto"',
        """``webhook`` reads the reports that the webhook receiver stored (Airflow 3.0; with ``deferrable``
        3.3); ``poll`` reads the ticket; ``auto`` reads both, in the triggerer only the reports, if the
        connection has a ``webhook_secret`` and this Airflow can read stored reports, and otherwise the
        ticket; default: auto""",
    ),
    "delivered_statuses": _argument(
        "Templated[Texts] | None",
        "None",
        """words with which the task succeeds, a list or a text with commas; default: delivered, read, seen
        and similar words (templated)""",
    ),
    "failed_statuses": _argument(
        "Templated[Texts] | None",
        "None",
        """words with which it fails at once, a list or a text with commas; default: undelivered, not
        delivered, failed, error, rejected, expired and similar words (templated)""",
    ),
    "sent_after": _argument(
        "Templated[datetime | str] | None",
        "None",
        """a moment before the message was sent, such as ``"{{ dag_run.run_after }}"``, as a datetime or
        ISO 8601 text with a time zone; an earlier webhook report counts only if it names the message
        ``comment_id``; default: all reports count (templated)""",
    ),
}
CONTRACT = ("message_key", "on_unknown_outcome", "send_again_on_clear")
WAITING = ("wait_for_delivery", "deferrable", "delivery_timeout", "delivery_poke_interval")
ONE_TICKET = (
    "message_key",
    *("on_not_delivered", "on_no_confirmation"),
    *WAITING,
    *("on_unknown_outcome", "send_again_on_clear"),
)
BATCH = (
    *("results_path", "checkpoint_path", "dry_run", "validate", "max_bad_rows", "max_failures", "fail_on"),
    *("fail_if_empty", "on_duplicate", "on_not_delivered", "on_no_confirmation", "quiet_hours", "timezone"),
    *("in_quiet_hours", "max_lateness", "max_in_flight", "deferrable", "on_unknown_outcome"),
    "send_again_on_clear",
)


@dataclass(frozen=True)
class Signature:
    """
    The signature of one function.

    :param path: its module, below the package
    :param function: its name, or that of the class whose constructor it is
    :param parameters: the class of ``api/parameters.py`` with its parameters; empty if it has none
    :param first: arguments in front of the others
    :param required: parameters that are required, although the method does not require them
    :param without: parameters that it does not take
    :param others: arguments of this package, after the parameters
    :param defaults: other defaults, as source
    :param docs: other documentation of arguments
    :param changed: arguments of this package that differ here
    :param kwargs: type of all other keyword arguments; empty if there are none
    """

    path: str
    function: str
    parameters: str
    first: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    docs: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, Argument] = field(default_factory=dict)
    kwargs: str = "Unpack[TaskArguments]"

    def arguments(self) -> dict[str, Argument]:
        """Return the arguments by name, in their order."""
        ours = {**OURS, **self.changed}
        given = {
            name: self._adapted(name, argument)
            for name, argument in parameters_of(self.parameters).items()
            if name not in self.without
        }
        tail = {name: ours[name] for name in self.others}
        known = {**given, **tail, **{name: ours[name] for name in self.first if name in ours}}
        return {name: known[name] for name in (*self.first, *known)}

    def _adapted(self, name: str, argument: Argument) -> Argument:
        if name in self.docs:
            argument = replace(argument, doc=self.docs[name])
        if name in self.required:
            argument = replace(argument, annotation=argument.annotation.removesuffix(" | None"), default="")
        if name in self.defaults:
            annotation = argument.annotation.removesuffix(" | None")
            argument = replace(argument, annotation=annotation, default=self.defaults[name])
        types = {"operators": _templated, "notifications": _with_template}
        annotation = types[self.path.partition("/")[0]](argument.annotation)
        return replace(argument, annotation=annotation, doc=f"{argument.doc} (templated)")


WORDS = ("subject", "message", "channel_id")
HIDDEN_SUBJECT = "subject of the ticket, text of at most 255 characters; the client does not see it"
MESSAGE = f"message, text of at most 65,535 bytes{TEMPLATE_FILE}"
CREATE_MESSAGE = f"first message, text of at most 65,535 bytes, HTML allowed{TEMPLATE_FILE}"
OWN_ID = (
    "your own id of the ticket, text of at most 255 characters, visible in the API only; default: the "
    "idempotency key of the task"
)
TEMPLATE = ("template_id", "template_name", "template_variables", "template_lang")
ROW_ID = "your own id of the ticket; give each row a different one, with a column or in ``row_template``"
WHATSAPP_AUTHOR = "author of the message, must be ``user``; default: user"
CLIENT_SEARCH = replace(
    OURS["on_unknown_outcome"],
    doc="what to do when an earlier attempt may have reached Usedesk: ``verify`` (search for the client), "
    "``fail``, or ``send`` (Usedesk may then have the client twice); default: verify",
)
TEXT_SEARCH = replace(
    OURS["on_unknown_outcome"],
    doc="what to do when an earlier attempt may have reached Usedesk: ``verify`` (search the ticket for the "
    "text), ``fail``, or ``send`` (a client may get the message twice); default: verify",
)
BATCH_CHANGES = {
    "on_not_delivered": replace(
        OURS["on_not_delivered"],
        annotation='Literal["fail", "ignore"]',
        doc="whether a row that the messenger did not accept has failed (``fail``) or not (``ignore``); it "
        "is not sent again; default: fail",
    ),
    "on_no_confirmation": replace(
        OURS["on_no_confirmation"],
        doc="what to do when a message for a messenger has neither ``message_status`` nor ``chat_id`` in its "
        "response: with ``fail`` the row is ``not_delivered``, and the batch stops if all rows share the "
        "channel; with ``warn`` the row is ``sent``, for an account that never returns them; default: fail",
    ),
    "deferrable": replace(
        OURS["deferrable"],
        doc="whether to wait for the end of quiet hours in the triggerer; default: "
        "``[operators] default_deferrable``",
    ),
}
ROWS = ("recipients", "row_key", "row_template", "columns", "delimiter", "encoding")


def _sending(path: str, function: str, first: tuple[str, ...], **options: object) -> Signature:
    base = Signature(
        path,
        function,
        "CreateTicketParameters",
        first,
        others=(*ONE_TICKET, "usedesk_conn_id"),
    )
    docs = {"message": MESSAGE, "subject": HIDDEN_SUBJECT, "additional_id": OWN_ID}
    given: dict[str, object] = {"docs": docs, **options}
    return replace(base, **given)  # type: ignore[arg-type]


SIGNATURES = (
    _sending(
        "operators/ticket.py",
        "CreateTicketOperator",
        ("subject", "message"),
        required=("subject", "message"),
        docs={"message": CREATE_MESSAGE, "additional_id": OWN_ID},
    ),
    _sending(
        "operators/message.py",
        "SendWhatsAppMessageOperator",
        (*WORDS, "user_id", "client_phone"),
        required=(*WORDS, "user_id"),
        without=(*TEMPLATE, "private_comment", "username"),
        defaults={"from_": '"user"'},
        docs={
            "subject": HIDDEN_SUBJECT,
            "message": MESSAGE,
            "channel_id": "id of the WhatsApp channel, 32-bit number",
            "user_id": "id of the agent who writes, 32-bit number; without an agent WhatsApp delivers no "
            "message",
            "from_": WHATSAPP_AUTHOR,
            "additional_id": OWN_ID,
        },
    ),
    _sending(
        "operators/message.py",
        "SendWhatsAppTemplateOperator",
        ("channel_id", *TEMPLATE, "client_phone"),
        required=("channel_id",),
        without=("private_comment", "username", "files"),
        defaults={"from_": '"user"'},
        docs={
            "channel_id": "id of the WhatsApp channel, 32-bit number",
            "template_id": "id of the template, for pact, 32-bit number",
            "template_name": "name of the template, for Landbot and infobip, text of at most 255 characters",
            "subject": "subject of the ticket, text of at most 255 characters",
            "message": f"message of the ticket, text of at most 65,535 bytes{TEMPLATE_FILE}",
            "from_": WHATSAPP_AUTHOR,
            "additional_id": OWN_ID,
        },
    ),
    _sending(
        "operators/message.py",
        "SendViberMessageOperator",
        (*WORDS, "client_phone"),
        required=WORDS,
        without=(*TEMPLATE, "private_comment", "username"),
        docs={
            "subject": HIDDEN_SUBJECT,
            "message": MESSAGE,
            "channel_id": "id of the Viber channel, 32-bit number",
            "additional_id": OWN_ID,
        },
    ),
    _sending(
        "operators/message.py",
        "SendTelegramMessageOperator",
        (*WORDS, "username", "client_phone"),
        required=WORDS,
        without=(*TEMPLATE, "private_comment"),
        docs={
            "subject": HIDDEN_SUBJECT,
            "message": MESSAGE,
            "channel_id": "id of the Telegram channel, 32-bit number",
            "username": "Telegram name of the client, text, with or without ``@``",
            "additional_id": OWN_ID,
        },
    ),
    Signature(
        "operators/batch.py",
        "CreateTicketBatchOperator",
        "CreateTicketParameters",
        (*ROWS, "subject", "message"),
        others=(*BATCH, "usedesk_conn_id"),
        docs={
            "subject": "subject of all tickets, text of at most 255 characters",
            "message": f"message of all tickets, text of at most 65,535 bytes{TEMPLATE_FILE}",
            "files": "files to attach to each ticket: local paths, URLs of object storage "
            "(``s3://conn_id@bucket/key``) or (name, content), one or a list; rows name paths and URLs only",
            "additional_id": ROW_ID,
        },
        changed=BATCH_CHANGES,
    ),
    Signature(
        "operators/batch.py",
        "SendWhatsAppTemplateBatchOperator",
        "CreateTicketParameters",
        (*ROWS, "channel_id", *TEMPLATE),
        without=("private_comment", "username", "files"),
        others=(*BATCH, "usedesk_conn_id"),
        defaults={"from_": '"user"'},
        docs={
            "channel_id": "id of the WhatsApp channel, 32-bit number",
            "subject": "subject of all tickets, text of at most 255 characters",
            "message": f"message of all tickets, text of at most 65,535 bytes{TEMPLATE_FILE}",
            "from_": WHATSAPP_AUTHOR,
            "additional_id": ROW_ID,
        },
        changed=BATCH_CHANGES,
    ),
    Signature(
        "notifications/usedesk.py",
        "UsedeskNotifier",
        "CreateTicketParameters",
        ("usedesk_conn_id", "subject", "message", *NOTIFIER),
        docs={
            "subject": "subject of a new ticket, cut to 255 characters; default: what happened to which task "
            "or Dag",
            "message": "text of the ticket or of the comment, HTML allowed, cut to 65,535 bytes; no name of "
            "a file; default: what happened, with run, attempt, state, error and a link to the log",
        },
        changed=NOTIFIER,
        kwargs="Never",
    ),
    Signature(
        "operators/ticket.py",
        "UpdateTicketOperator",
        "UpdateTicketParameters",
        others=("usedesk_conn_id",),
    ),
    Signature(
        "operators/comment.py",
        "CreateCommentOperator",
        "CreateCommentParameters",
        others=(*CONTRACT, *WAITING, "usedesk_conn_id"),
        docs={
            "message": f"comment, text of at most 65,535 bytes, HTML allowed{TEMPLATE_FILE}; required "
            "without a WhatsApp template"
        },
        changed={"on_unknown_outcome": TEXT_SEARCH},
    ),
    Signature(
        "operators/client.py",
        "CreateClientOperator",
        "CreateClientParameters",
        others=("find_existing", *CONTRACT, "usedesk_conn_id"),
        changed={"on_unknown_outcome": CLIENT_SEARCH},
    ),
    Signature(
        "operators/client.py",
        "UpdateClientOperator",
        "UpdateClientParameters",
        others=("usedesk_conn_id",),
    ),
    Signature(
        "operators/chat.py",
        "SendChatMessageOperator",
        "SendChatMessageParameters",
        others=("ticket_id", *CONTRACT, "usedesk_conn_id"),
        changed={
            "on_unknown_outcome": TEXT_SEARCH,
            "ticket_id": _argument(
                "Templated[Id] | None",
                "None",
                "id of the ticket of the chat, 32-bit number; only for the search and the link; default: "
                "none (templated)",
            ),
        },
    ),
    Signature(
        "sensors/ticket.py",
        "TicketStatusSensor",
        "",
        others=("ticket_id", *STATUS_SENSOR, "usedesk_conn_id", "deferrable", "max_failures"),
        changed={**SENSOR, **STATUS_SENSOR},
        kwargs="Unpack[SensorArguments]",
    ),
    Signature(
        "sensors/message.py",
        "MessageDeliverySensor",
        "",
        others=("ticket_id", *DELIVERY_SENSOR, "usedesk_conn_id", "deferrable", "max_failures"),
        changed={
            **SENSOR,
            **DELIVERY_SENSOR,
            "max_failures": replace(
                SENSOR["max_failures"],
                doc=SENSOR["max_failures"].doc.replace("reach Usedesk,", "reach Usedesk or find no ticket,"),
            ),
        },
        kwargs="Unpack[SensorArguments]",
    ),
)


@cache
def parameters_of(class_name: str) -> dict[str, Argument]:
    """
    Return the parameters of one method by name.

    :param class_name: a class of ``api/parameters.py``; empty for no parameters
    """
    if not class_name:
        return {}
    tree = ast.parse((PACKAGE / "api/parameters.py").read_text())
    [found] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name]
    is_total = not found.keywords
    parameters = {}
    for declared, doc in zip(found.body, found.body[1:], strict=False):
        if isinstance(declared, ast.AnnAssign):
            annotation = ast.unparse(declared.annotation)
            is_required = is_total or annotation.startswith("Required[")
            name = ast.unparse(declared.target)
            parameters[name] = _argument(
                annotation.removeprefix("Required[").removesuffix("]" if "Required[" in annotation else ""),
                REQUIRED if is_required else "None",
                ast.literal_eval(ast.unparse(doc)),
            )
    return parameters


def written(source: str, signatures: list[Signature]) -> str:
    """
    Return a module with the arguments of its functions written anew.

    :param source: the module
    :param signatures: the signatures of its functions
    """
    for signature in signatures:
        owner, function = _find(ast.parse(source), signature.function)
        lines = source.splitlines()
        # From below, so that the numbers of the lines above stay right.
        lines[function.lineno - 1 : function.body[0].lineno - 1] = _header(signature, function)
        start, end = _docstring_lines(owner)
        lines[start:end] = _with_params(lines[start:end], signature)
        source = "\n".join(lines) + "\n"
    return _formatted(source)


def method_signatures() -> str:
    """Return the module ``api/signatures.py``: a function with the parameters of each method of the API."""
    tree = ast.parse((PACKAGE / "api/parameters.py").read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    functions = "\n\n".join(
        f"def {_function_name(one.name)}(*, {', '.join(_written_parameters(one.name))}) -> None:\n"
        f'    """{ast.get_docstring(one)}"""'
        for one in classes
    )
    used = {node.id for node in ast.walk(ast.parse(functions)) if isinstance(node, ast.Name)}
    lines = [
        f"from {module} import {', '.join(names)}"
        for module, known in _importable(tree).items()
        if (names := sorted(used & known))
    ]
    ours = next(number for number, line in enumerate(lines) if "airflow_provider_usedesk" in line)
    imports = "\n".join([*lines[:ours], "", *lines[ours:]])
    header = f"{METHODS_DOCSTRING}\n\nfrom __future__ import annotations"
    return _formatted(f"{header}\n\n{imports}\n\n{functions}\n")


def main() -> None:
    """Write all modules."""
    METHODS.write_text(method_signatures())
    for path in sorted({signature.path for signature in SIGNATURES}):
        module = PACKAGE / path
        module.write_text(written(module.read_text(), signatures_of(path)))


def signatures_of(path: str) -> list[Signature]:
    """Return the signatures of a module, below the package."""
    return [signature for signature in SIGNATURES if signature.path == path]


def _function_name(class_name: str) -> str:
    """Return the method that takes the parameters of a class: ``tickets`` for ``TicketFilters``."""
    if class_name.endswith("Filters"):
        return f"{class_name.removesuffix('Filters').lower()}s"
    return re.sub("(?<!^)([A-Z])", r"_\1", class_name.removesuffix("Parameters")).lower()


def _written_parameters(class_name: str) -> Iterator[str]:
    for name, one in parameters_of(class_name).items():
        yield f"{name}: {one.annotation}" + (f" = {one.default}" if one.default else "")


def _importable(tree: ast.Module) -> dict[str, set[str]]:
    """Return the names that a module can import as another one does, and those that it defines, by module."""
    found = {
        node.module or "": {one.name for one in node.names}
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
    }
    defined = {ast.unparse(node.targets[0]) for node in tree.body if isinstance(node, ast.Assign)}
    return {**found, "airflow_provider_usedesk.api.parameters": defined}


def _templated(annotation: str) -> str:
    """Return the type of a parameter that can also be a template or an XComArg."""
    if annotation == "Any":
        return annotation
    is_optional = annotation.endswith(" | None")
    return f"Templated[{annotation.removesuffix(' | None')}]" + (" | None" if is_optional else "")


def _with_template(annotation: str) -> str:
    """Return the type of a parameter that can also be a template; a text can be one anyway."""
    name = annotation.partition(" | ")[0]
    return f"Rendered[{name}] | None" if name in CHOICES else annotation


def _find(tree: ast.Module, name: str) -> tuple[ast.ClassDef | ast.FunctionDef, ast.FunctionDef]:
    """Return the node that has the documentation, and the function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == name:
            [init] = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
            return node, init
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node, node
    raise LookupError(name)


def _header(signature: Signature, function: ast.FunctionDef) -> Iterator[str]:
    indent = " " * function.col_offset
    yield f"{indent}def {function.name}("
    yield f"{indent}    self, *,"
    for name, argument in signature.arguments().items():
        default = f" = {argument.default}" if argument.default else ""
        yield f"{indent}    {name}: {argument.annotation}{default},"
    if signature.kwargs:
        yield f"{indent}    **kwargs: {signature.kwargs},"
    yield f"{indent}) -> {ast.unparse(function.returns) if function.returns else None}:"


def _docstring_lines(owner: ast.ClassDef | ast.FunctionDef) -> tuple[int, int]:
    docstring = owner.body[0]
    return docstring.lineno - 1, docstring.end_lineno or docstring.lineno


def _with_params(docstring: list[str], signature: Signature) -> Iterator[str]:
    indent = docstring[-1].removesuffix('"""')
    fields = [number for number, line in enumerate(docstring[1:], 1) if _begins_field(line)]
    rest = [number for number in fields if not docstring[number].lstrip().startswith(":param ")]
    yield from docstring[: fields[0]]
    if docstring[fields[0] - 1].strip():
        yield ""
    for name, argument in signature.arguments().items():
        yield from textwrap.wrap(
            f":param {name}: {argument.doc}",
            WIDTH,
            initial_indent=indent,
            subsequent_indent=f"{indent}    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    yield from docstring[rest[0] :]


def _begins_field(line: str) -> bool:
    return line.lstrip().startswith((":param ", ":raises ", ":return:", '"""'))


def _formatted(source: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", "module.py", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True, cwd=ROOT).stdout


if __name__ == "__main__":
    main()

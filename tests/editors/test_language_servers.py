"""What an editor offers and shows for our operators and methods."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from airflow_provider_usedesk.operators.message import SendWhatsAppTemplateOperator
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator
from tests.support.language_server import LanguageServer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PACKAGE = "airflow_provider_usedesk"
CREATE = f"from {PACKAGE}.operators.ticket import CreateTicketOperator\nCreateTicketOperator"
TEMPLATE = (
    f"from {PACKAGE}.operators.message import SendWhatsAppTemplateOperator\nSendWhatsAppTemplateOperator"
)
BATCH = f"from {PACKAGE}.operators.batch import CreateTicketBatchOperator\nCreateTicketBatchOperator"
COMMENT = f"from {PACKAGE}.operators.comment import CreateCommentOperator\nCreateCommentOperator"
HOOK = f"from {PACKAGE}.hooks.usedesk import UsedeskHook\nUsedeskHook()"
CLIENT = f"from {PACKAGE}.api.client import UsedeskClient\nUsedeskClient.connect('token')"
METHODS = {
    "create_ticket(pri": {"priority=", "private_comment="},
    "send_whatsapp_template(template_n": {"template_name="},
    "create_comment(mess": {"message="},
    "update_ticket(sil": {"silent="},
    "create_client(pho": {"phone=", "phone_type="},
    "tickets(fst": {"fstatus="},
    "users(group": {"group_id="},
}
DECORATOR = f"from {PACKAGE}.decorators.ticket import usedesk_ticket_task\nusedesk_ticket_task"
STATUS = f"from {PACKAGE}.sensors.ticket import TicketStatusSensor\nTicketStatusSensor"
DELIVERY = f"from {PACKAGE}.sensors.message import MessageDeliverySensor\nMessageDeliverySensor"
NOTIFIER = f"from {PACKAGE}.notifications.usedesk import UsedeskNotifier\nUsedeskNotifier"

OFFERED = {
    f"{CREATE}(pri": {"priority=", "private_comment="},
    f"{TEMPLATE}(cli": {"client_phone=", "client_id="},
    f"{BATCH}(quiet": {"quiet_hours="},
    f"{BATCH}(pri": {"priority="},
    f"{COMMENT}(on_un": {"on_unknown_outcome="},
    f"{CREATE}(usedesk_": {"usedesk_conn_id="},
    f"{NOTIFIER}(pri": {"priority="},
    f"{STATUS}(tar": {"target_statuses="},
    f"{STATUS}(max_f": {"max_failures="},
    f"{DELIVERY}(sou": {"source="},
    **{f"{owner}.{call}": names for owner in (HOOK, CLIENT) for call, names in METHODS.items()},
}
each_source = pytest.mark.parametrize(
    ("source", "expected"), OFFERED.items(), ids=[source.rpartition("\n")[2] for source in OFFERED]
)


@pytest.fixture(scope="module")
def script():
    jedi = pytest.importorskip("jedi", reason="make installs jedi for Airflow 3.3 only")
    project = jedi.Project(ROOT, environment_path=sys.executable)
    return lambda source: jedi.Script(source, path=ROOT / "an_editor_has_it_open.py", project=project)


@pytest.fixture(scope="module")
def server():
    pytest.importorskip("pyright", reason="make installs pyright for Airflow 3.3 only")
    command = [sys.executable, "-m", "pyright.langserver", "--stdio"]
    with LanguageServer(command, ROOT) as server:
        yield server


class TestJedi:
    @each_source
    def test_arguments_are_offered(self, script, source, expected):
        assert expected <= {found.name for found in script(source).complete()}

    @pytest.mark.parametrize(
        ("source", "operator"), [(CREATE, CreateTicketOperator), (TEMPLATE, SendWhatsAppTemplateOperator)]
    )
    def test_documentation_is_shown_in_full(self, script, source, operator):
        [found] = script(source).help()
        assert (operator.__doc__ or "").split()[-20:] == found.docstring().split()[-20:]
        assert "https://api.usedocs.com/article/51378" in found.docstring()
        assert "client_phone: Templated[int | str] | None=None" in found.docstring().replace(" = ", "=")

    @pytest.mark.parametrize("owner", [HOOK, CLIENT])
    def test_parameters_of_methods_are_shown_with_their_types(self, script, owner):
        [found] = script(f"{owner}.create_ticket").help()
        shown = found.docstring().replace(" = ", "=")
        assert "client_phone: int | str | None=None" in shown
        assert "priority: Priority | None=None" in shown
        assert "https://api.usedocs.com/article/51378" in shown

    def test_arguments_of_the_decorator_are_offered(self, script):
        assert "priority=" in {found.name for found in script(f"{DECORATOR}(pri").complete()}


class TestPyright:
    @each_source
    def test_arguments_are_offered(self, server, source, expected):
        assert expected <= set(server.completions(source))

    @pytest.mark.parametrize("owner", [HOOK, CLIENT])
    def test_parameters_of_methods_are_shown_with_their_types(self, server, owner):
        shown = server.signature(f"{owner}.create_ticket(")
        assert "client_phone: int | str | None" in shown
        assert "priority: Priority | None" in shown

    def test_choices_are_offered(self, server):
        found = server.completions(f'{CREATE}(priority="')
        assert {'"low"', '"medium"', '"urgent"', '"extreme"'} <= set(found)

    @pytest.mark.parametrize("source", [CREATE, TEMPLATE, BATCH])
    def test_documentation_is_shown_in_full(self, server, source):
        shown = server.hover(source)
        assert "https://api.usedocs.com/article/51378" in shown
        for name in ("client_phone", "priority", "on_unknown_outcome", "usedesk_conn_id"):
            assert f"    {name}: " in shown
            assert f":param {name}: " in shown

"""The methods of chats."""

from __future__ import annotations

import pytest

JULIA, OLEG = 2156, 2157
CHAT = {"company_id": 153561, "channel_id": 860}
SENDER = {"name": "Vera", "email": "vera@example.org"}


@pytest.fixture
def chat(call):
    return call("chat/addMessage", **CHAT, message={"text": "Hello", "from": SENDER})


class TestAddMessage:
    def test_new_chat_has_ticket(self, sandbox, chat):
        [ticket] = sandbox.tickets
        assert chat == {
            "chat_id": chat["chat_id"],
            "company_id": 153561,
            "ticket_id": None,
            "channel_id": 860,
            "client_id": ticket.client_id,
        }
        assert (ticket.message, ticket.channel_id, ticket.status) == ("Hello", 860, 8)
        assert (ticket.chat_id, ticket.comments[0].author) == (str(chat["chat_id"]), "client")

    def test_message_in_existing_chat(self, sandbox, call, chat):
        params = {**CHAT, "chat_id": chat["chat_id"], "message": {"text": "Hello?"}}
        [ticket] = sandbox.tickets
        assert call("chat/addMessage", **params) == {**chat, "ticket_id": ticket.ticket_id}
        [ticket] = sandbox.tickets
        assert [comment.message for comment in ticket.comments] == ["Hello", "Hello?"]
        assert ticket.status == 8

    def test_client_of_chat(self, call):
        message = {"text": "m", "from": {"client_id": "27747627"}}
        assert call("chat/addMessage", **CHAT, message=message)["client_id"] == 27747627

    def test_form(self, sandbox, http):
        form = {**CHAT, "api_token": sandbox.token, "message[text]": "m", "message[from][name]": "Vera"}
        response = http.post(f"{sandbox.url}/chat/addMessage", data=form, timeout=60).json()
        assert response["chat_id"]

    @pytest.mark.parametrize(
        ("params", "code"),
        [
            ({"company_id": None}, 115),
            ({"company_id": 1}, 115),
            ({"channel_id": 683}, 422),
            ({"channel_id": None}, 422),
            ({"chat_id": 1}, 422),
            ({"message": None}, 422),
            ({"message": "m"}, 422),
            ({"message": {"text": "m", "from": "Vera"}}, 422),
            ({"message": {"text": " "}}, 114),
            ({"message": {"text": "m", "from": {"client_id": 5}}}, 119),
        ],
    )
    def test_refusals(self, sandbox, call, params, code):
        response = call("chat/addMessage", **{**CHAT, "message": {"text": "m"}, **params})
        assert response["code"] == code
        assert response["error"]
        assert sandbox.tickets == ()

    def test_wrong_channel_has_status_false(self, call):
        response = call("chat/addMessage", company_id=153561, channel_id=20054, message={"text": "m"})
        assert response["status"] is False


class TestSendMessage:
    def test_message_is_comment_of_agent(self, sandbox, call, chat):
        sent = call("chat/sendMessage", chat_id=chat["chat_id"], user_id=OLEG, text="Yes?")
        assert sent == {"status": "success"}
        [ticket] = sandbox.tickets
        comment = ticket.comments[-1]
        assert (comment.message, comment.author, comment.user_id) == ("Yes?", "user", OLEG)
        assert (comment.is_private, ticket.status) == (False, 1)

    def test_message_in_viber_chat(self, sandbox, call):
        viber = {"channel_id": 20060, "client_phone": "79123456789"}
        created = call("create/ticket", subject="s", message="m", **viber)
        call("chat/sendMessage", chat_id=created["chat_id"], user_id=JULIA, text="More")
        assert sandbox.ticket(created["ticket_id"]).comments[-1].message == "More"

    @pytest.mark.parametrize(
        ("params", "code"),
        [
            ({"chat_id": 1}, 422),
            ({"chat_id": None}, 422),
            ({"user_id": None}, 117),
            ({"user_id": 1}, 117),
            ({"text": ""}, 114),
            ({"text": "я" * 32_768}, 422),
        ],
    )
    def test_refusals(self, sandbox, call, chat, params, code):
        before = sandbox.tickets
        given = {"chat_id": chat["chat_id"], "user_id": JULIA, "text": "m", **params}
        assert call("chat/sendMessage", **given)["code"] == code
        assert sandbox.tickets == before


class TestChangeAssignee:
    def test_chat_is_assigned(self, sandbox, call, chat):
        number = str(chat["chat_id"])
        response = call("chat/changeAssignee", chat_id=number, user_id=OLEG)
        assert response.pop("url").endswith(f"/tickets/{sandbox.tickets[0].ticket_id}")
        assert response == {"chat_id": number, "user_id": str(OLEG)}
        assert sandbox.tickets[0].assignee_id == OLEG

    @pytest.mark.parametrize(("params", "code"), [({"chat_id": 1}, 422), ({"user_id": 1}, 117)])
    def test_refusals(self, call, chat, params, code):
        given = {"chat_id": chat["chat_id"], "user_id": OLEG, **params}
        assert call("chat/changeAssignee", **given)["code"] == code

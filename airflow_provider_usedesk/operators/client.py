"""Create and update clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_usedesk.api.redacted import CLIENT_CARD
from airflow_provider_usedesk.operators.arguments import (
    assign_arguments,
    check_arguments,
    template_fields_of,
    with_lists,
)
from airflow_provider_usedesk.operators.base import UsedeskOperator

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.choices import PhoneType
    from airflow_provider_usedesk.api.parameters import Flag, Id, Texts
    from airflow_provider_usedesk.api.request import Method, Request
    from airflow_provider_usedesk.api.responses import CreatedClient
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.compat.task_arguments import TaskArguments
    from airflow_provider_usedesk.idempotency.decision import OnUnknown
    from airflow_provider_usedesk.idempotency.find_client import Contacts
    from airflow_provider_usedesk.operators.types import FindBy, Templated


class _ClientOperator(UsedeskOperator):
    """What the operators of clients share: there is no ticket, and the data of a client are personal."""

    operator_extra_links = ()
    _personal_fields = UsedeskOperator._personal_fields | frozenset(CLIENT_CARD)


class CreateClientOperator(_ClientOperator):
    """
    Create a client (``create/client``: https://api.usedocs.com/article/51385).

    Returns the id of the client, and pushes nothing else to XCom.

    Usedesk creates another client each time. With ``find_existing`` the operator first searches for clients
    who have the email or the phone. It returns the oldest one and does not change that client. Two tasks that
    do this at the same time can still create two clients.

    A client has no idempotency key. If the outcome of an earlier attempt is unknown, a later attempt searches
    for a client who has an email or the phone of the request and was created since that attempt. Without
    email and phone the task fails.

    .. seealso:: :class:`~airflow_provider_usedesk.operators.base.UsedeskOperator` for the connection, for
        what Airflow stores of the arguments, and for arguments that render to an empty value.

    :param name: name, text of at most 255 characters; a name, emails, a phone or messengers is required
        (templated)
    :param emails: email addresses, a list or a text with commas (templated)
    :param phone: phone with country code, 10 to 15 digits; spaces, brackets, dashes and dots are removed
        (templated)
    :param phone_type: ``home``, ``mobile``, ``stationary``, ``fax`` or ``other`` (templated)
    :param phone_region: country of a phone without country code, two letters such as ``RU``; needs the
        library phonenumbers, from ``airflow-provider-usedesk[phone]``; default: that of the connection
        (templated)
    :param messengers: a list of {"identity": …, "type": …, "uid": …}; the type is ``telegram``, ``whatsapp``,
        ``viber``, ``skype``, ``gtalk``, ``imessage`` or ``other``, the uid is optional (templated)
    :param sites: a list of {"url": …} (templated)
    :param note: note for the agents (templated)
    :param avatar: picture, one local path, URL of object storage or (name, content) (templated)
    :param position: job title, text of at most 255 characters (templated)
    :param status_vip: whether the client is important; not with ``status_spam`` (templated)
    :param status_spam: whether the client is a spammer (templated)
    :param merge_id: id of a client with whom the new one is merged, 32-bit number (templated)
    :param client_country: country, text of at most 255 characters (templated)
    :param client_city: city, text of at most 255 characters (templated)
    :param client_address: address, text of at most 255 characters (templated)
    :param new_address: true for an additional address (templated)
    :param find_existing: ``email`` or ``phone``: search first, and return the oldest client who has it;
        default: None, always create a client
    :param message_key: text that names the message and is the same in each attempt, such as the id of an
        appointment; set it in mapped tasks, and in a task that executes the operator several times; default:
        none (templated)
    :param on_unknown_outcome: what to do when an earlier attempt may have reached Usedesk: ``verify`` (search
        for the client), ``fail``, or ``send`` (Usedesk may then have the client twice); default: verify
    :param send_again_on_clear: whether clearing the task sends again; default: false
    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    :raises ValueError: when ``find_existing`` is another word
    :raises AirflowFailException: when an argument is not valid (all are named, and nothing was sent), when
        the connection is wrong, or when Usedesk refuses the request; with a ``retry_policy``, the
        ``UsedeskError`` itself
    :raises UsedeskOutcomeUnknown: when it is unknown whether the client exists
    """

    def __init__(
        self,
        *,
        name: Templated[str] | None = None,
        emails: Templated[Texts] | None = None,
        phone: Templated[int | str] | None = None,
        phone_type: Templated[PhoneType] | None = None,
        phone_region: Templated[str] | None = None,
        messengers: Templated[Sequence[Mapping[str, Any]] | Mapping[str, Any] | str] | None = None,
        sites: Templated[Sequence[Mapping[str, Any]] | Mapping[str, Any] | str] | None = None,
        note: Templated[str] | None = None,
        avatar: Any = None,
        position: Templated[str] | None = None,
        status_vip: Templated[Flag] | None = None,
        status_spam: Templated[Flag] | None = None,
        merge_id: Templated[Id] | None = None,
        client_country: Templated[str] | None = None,
        client_city: Templated[str] | None = None,
        client_address: Templated[str] | None = None,
        new_address: Templated[bool | str] | None = None,
        find_existing: FindBy | None = None,
        message_key: Templated[str] | None = None,
        on_unknown_outcome: OnUnknown = "verify",
        send_again_on_clear: bool = False,
        usedesk_conn_id: str = "usedesk_default",
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        check_arguments(self, locals())
        super().__init__(usedesk_conn_id=usedesk_conn_id, **kwargs)
        assign_arguments(self, locals())

    template_fields: Sequence[str] = template_fields_of(__init__)

    def execute(self, context: Context) -> int:
        """
        Create the client, and return the id.

        :param context: the context of the task
        :return: the id of the client, new or found
        :raises AirflowFailException: when an argument or the connection is wrong, or when Usedesk refuses the
            request; with a ``retry_policy``, the ``UsedeskError`` itself
        :raises UsedeskOutcomeUnknown: when it is unknown whether the client exists
        :raises UsedeskError: for every other failure
        """
        params = with_lists(self._params())
        with self._no_retry():
            contacts = self._contacts(params)
            client_id = self._existing(contacts)
            if client_id is not None:
                self.log.info("Found Usedesk client %s. No request is sent.", client_id)
                return client_id
            return self._send_once(context, params, contacts).client_id

    def _contacts(self, params: dict[str, Any]) -> Contacts:
        """Return the emails and the phone as they are sent; all arguments are checked."""
        from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
        from airflow_provider_usedesk.idempotency.find_client import Contacts

        fields = self.hook.client.checked_client(params).fields
        contacts = Contacts(tuple(fields.get("emails") or ()), fields.get("phone"))
        wanted = {"email": contacts.emails, "phone": contacts.phone}
        if self.find_existing and not wanted[self.find_existing]:
            argument = "emails" if self.find_existing == "email" else "phone"
            raise UsedeskInvalidRequest(
                [f"{argument}: is required with find_existing={self.find_existing!r}"]
            )
        return contacts

    def _existing(self, contacts: Contacts) -> int | None:
        from airflow_provider_usedesk.idempotency.find_client import Contacts, clients_with

        if not self.find_existing:
            return None
        by_email = self.find_existing == "email"
        wanted = Contacts(emails=contacts.emails) if by_email else Contacts(phone=contacts.phone)
        found = clients_with(self.hook.client, wanted)
        if len(found) > 1:
            self.log.warning("%s clients have this %s. The oldest is taken.", len(found), self.find_existing)
        return found[0] if found else None

    def _send_once(self, context: Context, params: dict[str, Any], contacts: Contacts) -> CreatedClient:
        from airflow_provider_usedesk.api.responses import CreatedClient
        from airflow_provider_usedesk.idempotency.find_client import ClientSearch
        from airflow_provider_usedesk.idempotency.keys import content_digest, digest
        from airflow_provider_usedesk.operators.contract import DeliveryContract

        return DeliveryContract(context, self).send(
            CreatedClient,
            send=lambda key: self._create(params),
            look_up=ClientSearch(self.hook.client, contacts),
            recipient=digest([contacts.emails, contacts.phone, str(params["name"])], 12),
            content=content_digest(params),
        )

    def _create(self, params: dict[str, Any]) -> CreatedClient:
        created = self.hook.create_client(**params)
        self.log.info("Created Usedesk client %s.", created.client_id)
        return created

    @classmethod
    def _method(cls) -> Method:
        from airflow_provider_usedesk.api.client_card import CREATE_CLIENT

        return CREATE_CLIENT

    @classmethod
    def _request(cls, params: Mapping[str, Any]) -> Request:
        from airflow_provider_usedesk.api.client_card import create_client_request

        return create_client_request(params)


class UpdateClientOperator(_ClientOperator):
    """
    Update a client (``update/client``: https://api.usedocs.com/article/51386).

    Changes only what you give. Adds emails and a phone to those of the client. Returns the id of the client.

    Each attempt sends the update without a search. After a lost response or a clear, a note without
    ``is_new_note``, and a messenger or a site without id, can therefore be there twice.

    .. seealso:: :class:`~airflow_provider_usedesk.operators.base.UsedeskOperator` for the connection, for
        what Airflow stores of the arguments, and for arguments that render to an empty value.

    :param client_id: id of the client, 32-bit number (templated)
    :param name: new name, text of at most 255 characters (templated)
    :param emails: email addresses to add, a list or a text with commas (templated)
    :param phone: phone to add, with country code, 10 to 15 digits; spaces, brackets, dashes and dots are
        removed (templated)
    :param phone_type: ``home``, ``mobile``, ``stationary``, ``fax`` or ``other`` (templated)
    :param phone_region: country of a phone without country code, two letters such as ``RU``; needs the
        library phonenumbers, from ``airflow-provider-usedesk[phone]``; default: that of the connection
        (templated)
    :param messengers: a list of {"identity": …, "type": …, "uid": …}; an item with an ``id`` changes that
        messenger, or deletes it if the identity is empty (templated)
    :param sites: a list of {"url": …}; an item with an ``id`` changes that site, or deletes it if the url is
        empty (templated)
    :param note: text to add to the note for the agents (templated)
    :param is_new_note: true to replace the note; default: false (templated)
    :param avatar: picture, one local path, URL of object storage or (name, content) (templated)
    :param position: job title, text of at most 255 characters (templated)
    :param status_vip: whether the client is important; not with ``status_spam`` (templated)
    :param status_spam: whether the client is a spammer (templated)
    :param merge_id: id of a client with whom this one is merged, 32-bit number (templated)
    :param client_country: country, text of at most 255 characters (templated)
    :param client_city: city, text of at most 255 characters (templated)
    :param client_address: address, text of at most 255 characters (templated)
    :param new_address: true for an additional address (templated)
    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    :raises AirflowFailException: when an argument is not valid (all are named, and nothing was sent), when
        the connection is wrong, or when Usedesk refuses the request; with a ``retry_policy``, the
        ``UsedeskError`` itself
    :raises UsedeskOutcomeUnknown: when it is unknown whether the client was updated; a retry repeats it
    """

    def __init__(
        self,
        *,
        client_id: Templated[Id],
        name: Templated[str] | None = None,
        emails: Templated[Texts] | None = None,
        phone: Templated[int | str] | None = None,
        phone_type: Templated[PhoneType] | None = None,
        phone_region: Templated[str] | None = None,
        messengers: Templated[Sequence[Mapping[str, Any]] | Mapping[str, Any] | str] | None = None,
        sites: Templated[Sequence[Mapping[str, Any]] | Mapping[str, Any] | str] | None = None,
        note: Templated[str] | None = None,
        is_new_note: Templated[Flag] | None = None,
        avatar: Any = None,
        position: Templated[str] | None = None,
        status_vip: Templated[Flag] | None = None,
        status_spam: Templated[Flag] | None = None,
        merge_id: Templated[Id] | None = None,
        client_country: Templated[str] | None = None,
        client_city: Templated[str] | None = None,
        client_address: Templated[str] | None = None,
        new_address: Templated[bool | str] | None = None,
        usedesk_conn_id: str = "usedesk_default",
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        check_arguments(self, locals())
        super().__init__(usedesk_conn_id=usedesk_conn_id, **kwargs)
        assign_arguments(self, locals())

    template_fields: Sequence[str] = template_fields_of(__init__)

    def execute(self, context: Context) -> int:
        """
        Update the client, and return the id.

        :param context: the context of the task
        :return: the id of the client
        :raises AirflowFailException: when an argument or the connection is wrong, or when Usedesk refuses the
            request; with a ``retry_policy``, the ``UsedeskError`` itself
        :raises UsedeskError: for every other failure
        """
        from airflow_provider_usedesk.api.values import identifier

        params = with_lists(self._params())
        with self._no_retry():
            self.hook.update_client(**params)
        client_id = identifier(params["client_id"])
        self.log.info("Updated Usedesk client %s.", client_id)
        return client_id

    @classmethod
    def _method(cls) -> Method:
        from airflow_provider_usedesk.api.client_card import UPDATE_CLIENT

        return UPDATE_CLIENT

    @classmethod
    def _request(cls, params: Mapping[str, Any]) -> Request:
        from airflow_provider_usedesk.api.client_card import update_client_request

        return update_client_request(params)

"""From an Airflow Connection to a Usedesk client."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import BaseHook, ObjectStoragePath, mask_secret

from airflow_provider_usedesk.get_provider_info import get_provider_info

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.answers import CreatedTicket
    from airflow_provider_usedesk.api.client import UsedeskClient
    from airflow_provider_usedesk.api.settings import Settings


class UsedeskHook(BaseHook):
    """
    Call Usedesk with the address and the token of an Airflow Connection.

    Making the hook looks nothing up; the connection is read at the first call.

    :param usedesk_conn_id: the connection; its password is the API token, its host the base URL
    """

    conn_name_attr = "usedesk_conn_id"
    default_conn_name = "usedesk_default"
    conn_type = "usedesk"
    hook_name = "Usedesk"

    def __init__(self, *, usedesk_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.usedesk_conn_id = usedesk_conn_id

    @cached_property
    def client(self) -> UsedeskClient:
        """The client, with one HTTP session for all calls of this hook."""
        return self._client(self.settings())

    def get_conn(self) -> UsedeskClient:
        """Return the client, for methods that the hook itself does not offer."""
        return self.client

    def settings(self) -> Settings:
        """
        Read the connection.

        :raises UsedeskBadConnection: naming what is wrong with it
        """
        from airflow_provider_usedesk.api.settings import read_settings

        connection = self.get_connection(self.usedesk_conn_id)
        extra = connection.extra_dejson
        for secret in (connection.password, extra.get("webhook_secret")):
            if secret:
                mask_secret(secret)
        return read_settings(
            token=connection.password,
            host=connection.host,
            schema=connection.schema,
            port=connection.port,
            extra=extra,
            user_agent=f"apache-airflow/{airflow_version}",
        )

    def create_ticket(self, **params: Any) -> CreatedTicket:
        """
        Create a ticket (``create/ticket``, EN 51378).

        :param params: the parameters of the method by name (``from`` may be spelled ``from_``), and
            ``custom_fields`` as {id: value}; ``subject`` and ``message`` are required without a template
        :return: the ids and the message status that Usedesk answered
        :raises UsedeskInvalidRequest: naming every faulty argument; nothing was sent
        :raises UsedeskOutcomeUnknown: when the ticket may exist all the same
        :raises UsedeskError: of another class for every other failure
        """
        return self.client.create_ticket(**params)

    def send_whatsapp_message(self, **params: Any) -> CreatedTicket:
        """
        Send a WhatsApp message (``create/ticket``, EN 51378).

        :param params: ``subject``, ``message``, ``channel_id``, ``user_id``, a recipient in
            ``client_phone`` or ``client_id``, and other parameters of ``create/ticket``
        """
        return self.client.send_whatsapp_message(**params)

    def send_whatsapp_template(self, **params: Any) -> CreatedTicket:
        """
        Send a WhatsApp Business template (``create/ticket``, EN 51378).

        :param params: ``channel_id``, ``template_id`` or ``template_name``, a recipient in
            ``client_phone`` or ``client_id``, and other parameters of ``create/ticket``
        """
        return self.client.send_whatsapp_template(**params)

    def send_viber_message(self, **params: Any) -> CreatedTicket:
        """
        Send a message through a Viber (c2d) channel (``create/ticket``, EN 51378).

        :param params: ``subject``, ``message``, ``channel_id``, a recipient in ``client_phone`` or
            ``client_id``, and other parameters of ``create/ticket``
        """
        return self.client.send_viber_message(**params)

    def send_telegram_message(self, **params: Any) -> CreatedTicket:
        """
        Send a message through a Telegram personal (pact) channel (``create/ticket``, EN 51378).

        :param params: ``subject``, ``message``, ``channel_id``, a recipient in ``username`` or
            ``client_phone``, and other parameters of ``create/ticket``
        """
        return self.client.send_telegram_message(**params)

    def test_connection(self) -> tuple[bool, str]:
        """Read the groups of agents, which changes nothing, and tell what came of it."""
        try:
            settings = self.settings()
            with self._client(replace(settings, max_wait=0.0)) as client:
                count = len(client.groups())
        except Exception as exc:
            return False, str(exc)
        return True, f"connected, {count} group{'' if count == 1 else 's'} visible"

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Give Airflow before 3.2 what the provider info declares for the standard fields."""
        behaviour = _declared()["ui-field-behaviour"]
        return {key.replace("-", "_"): value for key, value in behaviour.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Give Airflow before 3.2 what the provider info declares for the fields of the extra."""
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from wtforms import IntegerField, PasswordField, StringField
        from wtforms.validators import NumberRange, Optional

        def widget(declared: dict[str, Any]) -> Any:
            schema, texts = declared["schema"], (declared["label"],)
            about = {"description": declared["description"]}
            if "integer" in schema["type"]:
                validators = [Optional(), NumberRange(min=schema["minimum"])]
                return IntegerField(*texts, **about, validators=validators, widget=BS3TextFieldWidget())
            if schema.get("format") == "password":
                return PasswordField(*texts, **about, widget=BS3PasswordFieldWidget())
            return StringField(*texts, **about, widget=BS3TextFieldWidget())

        return {name: widget(declared) for name, declared in _declared()["conn-fields"].items()}

    def _client(self, settings: Settings) -> UsedeskClient:
        from airflow_provider_usedesk.api.client import UsedeskClient

        return UsedeskClient(settings, open_url=ObjectStoragePath)


def _declared() -> dict[str, Any]:
    declared: dict[str, Any] = get_provider_info()["connection-types"][0]
    return declared

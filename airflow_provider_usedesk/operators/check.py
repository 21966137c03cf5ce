"""Check whether a Usedesk account does what the delivery contract expects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_usedesk.compat.sdk import AirflowFailException
from airflow_provider_usedesk.operators.arguments import check_arguments
from airflow_provider_usedesk.operators.base import UsedeskOperator

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.request import Method, Request
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.compat.task_arguments import TaskArguments


class CheckDeliveryContractOperator(UsedeskOperator):
    """
    Create a private test ticket, find it as a later attempt of an operator does, and report what differs.

    Run it once for each account, and again after a change of the connection. The ticket has the subject
    "Airflow self-check" and no message to a client. It stays in Usedesk until somebody deletes it.

    Returns a report: ``ok``, ``ticket_id``, ``findings`` (a sentence each, without personal data) and
    ``problems`` (the findings that are not ok). Pushes ``ticket_id`` to XCom. If there is a problem, the task
    pushes the report to XCom as ``report``, and fails.

    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    :raises AirflowFailException: when there is a problem, when the connection is wrong, or when Usedesk
        refuses the request
    """

    def __init__(self, *, usedesk_conn_id: str = "usedesk_default", **kwargs: Unpack[TaskArguments]) -> None:
        check_arguments(self, locals())
        super().__init__(usedesk_conn_id=usedesk_conn_id, **kwargs)

    @classmethod
    def argument_errors(cls, given: Mapping[str, Any], *, is_complete: bool) -> list[str]:
        return []

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Run the self-check, push its report to XCom, and return it.

        :param context: the context of the task
        :return: the report
        :raises AirflowFailException: when there is a problem, when the connection is wrong, or when Usedesk
            refuses the request; with a ``retry_policy``, the ``UsedeskError`` itself
        :raises UsedeskError: for every other failure
        """
        from airflow_provider_usedesk.idempotency.self_check import check_delivery_contract

        with self._no_retry():
            report = check_delivery_contract(self.hook.get_conn(), self.hook.delivery_settings())
        for finding in report.findings:
            self.log.info(finding)
        self._push_ids(context, report.ticket_id, {})
        if not report.ok:
            if self._pushes_xcom():
                context["ti"].xcom_push(key="report", value=report.as_dict())
            raise AirflowFailException(f"The self-check found problems. {' '.join(report.problems)}")
        return report.as_dict()

    @classmethod
    def _method(cls) -> Method:
        from airflow_provider_usedesk.api.ticket import CREATE_TICKET

        return CREATE_TICKET

    @classmethod
    def _request(cls, params: Mapping[str, Any]) -> Request:
        from airflow_provider_usedesk.api.ticket import ticket_request

        return ticket_request(params)

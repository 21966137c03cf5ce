"""The JSON of the API for tests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow_provider_usedesk.sandbox.call import FILES_PATH
from airflow_provider_usedesk.sandbox.company import STATUS_NAMES, Comment, Company, Ticket
from airflow_provider_usedesk.sandbox.message_delivery import delivery_of, reports_of
from airflow_provider_usedesk.sandbox.request_log import LoggedRequest
from airflow_provider_usedesk.sandbox.task_name import task_name
from airflow_provider_usedesk.sandbox.webhook_sender import SentWebhook


def ticket_json(company: Company, ticket: Ticket, now: datetime) -> dict[str, Any]:
    """Return a ticket with its client, comments and delivery."""
    channel, client = company.channels[ticket.channel_id], company.clients[ticket.client_id]
    delivery, task = delivery_of(company, ticket, now), task_name(ticket.additional_id)
    return {
        "id": ticket.ticket_id,
        "subject": ticket.subject,
        "message": ticket.message,
        "status": STATUS_NAMES[ticket.status],
        "status_id": ticket.status,
        "type": ticket.type,
        "priority": ticket.priority,
        "tags": list(ticket.tags),
        "channel": {"id": channel.id, "name": channel.name, "type": channel.type},
        "client": {
            "id": client.id,
            "name": client.name,
            "phones": list(client.phones),
            "emails": list(client.emails),
            "usernames": list(client.usernames),
        },
        "assignee_id": ticket.assignee_id,
        "group_id": ticket.group_id,
        "additional_id": ticket.additional_id,
        "task": {"dag_id": task.dag_id, "task_id": task.task_id} if task else None,
        "custom_fields": {str(number): value for number, value in ticket.custom_fields.items()},
        "lists": list(ticket.lists),
        "delivery": {"status": delivery.text, "outcome": delivery.outcome} if delivery else None,
        "chat_id": ticket.chat_id,
        "created_at": ticket.created_at.isoformat(),
        "last_updated_at": ticket.last_updated_at.isoformat(),
        "comments": [_comment_json(company, comment, now) for comment in ticket.comments],
    }


def request_json(request: LoggedRequest) -> dict[str, Any]:
    """Return a request with its result."""
    return {
        "number": request.number,
        "at": request.at.isoformat(),
        "verb": request.raw.verb,
        "method": request.method,
        "status": request.status,
        "refusal": request.refusal,
        "fault": request.fault,
        "ticket_id": request.ticket_id,
        "raw": request.raw.as_text(),
    }


def webhook_json(webhook: SentWebhook) -> dict[str, Any]:
    """Return a webhook with its result."""
    return {
        "number": webhook.number,
        "kind": webhook.kind,
        "ticket_id": webhook.ticket_id,
        "body": without_secret(webhook.body),
        "at": webhook.at.isoformat() if webhook.at else None,
        "tries": webhook.tries,
        "status": webhook.status,
        "error": webhook.error,
        "response": webhook.response,
    }


def without_secret(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a webhook for people."""
    return {**body, "secret": "***"} if "secret" in body else body


def _comment_json(company: Company, comment: Comment, now: datetime) -> dict[str, Any]:
    template = comment.template
    return {
        "id": comment.id,
        "message": comment.message,
        "from": comment.author,
        "user_id": comment.user_id,
        "type": "private" if comment.is_private else "public",
        "published_at": comment.published_at.isoformat(),
        "cc": list(comment.cc),
        "bcc": list(comment.bcc),
        "template": {**vars(template), "variables": list(template.variables)} if template else None,
        "files": [
            {"name": file.name, "size": file.size, "url": f"{FILES_PATH}/{file.id}"} for file in comment.files
        ],
        "reports": [
            {"status": one.status, "at": one.at.isoformat(), "is_sent": one.is_sent}
            for one in reports_of(company, comment, now)
        ],
    }

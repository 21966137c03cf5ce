"""How a page of the inbox is rendered, and the headers that keep what is in it from doing anything."""

from __future__ import annotations

import html
import re
from datetime import datetime
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader

from airflow_provider_usedesk.sandbox.company import STATUS_NAMES

# A message may have its own style; nothing in it may run, load or leave its frame.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; "
    "frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# With "no-referrer" a browser would send "Origin: null" with the inbox's own forms.
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store"}
# In the order of a ticket's life; an agent cannot set the other statuses.
STATUSES_BY_HAND = (1, 5, 6, 2, 3, 7, 4)
NAVIGATION = (
    ("tickets", "Tickets", "/"),
    ("requests", "Requests", "/requests"),
    ("webhooks", "Webhooks", "/webhooks"),
    ("faults", "Faults", "/faults"),
    ("clients", "Clients", "/clients"),
    ("channels", "Channels", "/channels"),
    ("api", "API", "/_sandbox/docs"),
)
# The limits keep the time for a message short, whatever is in it.
LINK = re.compile(r"""<(a|area)\b((?:[^<>"']|"[^"]{0,2000}"|'[^']{0,2000}'){0,4000}+)>""", re.IGNORECASE)
TARGET = re.compile(r"""\s(?:target|rel)\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+)""", re.IGNORECASE)
OWN_PART = re.compile(r"""\shref\s*=\s*["']?\s*#""", re.IGNORECASE)
MESSAGE_HEAD = (
    "<!doctype html><meta charset=utf-8>"
    "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'\"><base target=_blank>"
    "<style>body{font:15px/1.5 system-ui,sans-serif;margin:12px;color:#1f2937;background:#fff;"
    "overflow-wrap:anywhere}pre{font:inherit;white-space:pre-wrap;margin:0}</style>"
)

_templates = Environment(
    loader=PackageLoader("airflow_provider_usedesk.sandbox"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


def rendered_page(template: str, **values: Any) -> HTMLResponse:
    """Render a template as a page with its policy."""
    content = _templates.get_template(template).render(**values)
    return HTMLResponse(content, headers={**HEADERS, "Content-Security-Policy": PAGE_POLICY})


def framed(message: str) -> str:
    """
    Return the HTML document of a message for its own frame.

    Plain text keeps its line breaks. A link opens in a new tab, because its page would not work in the frame.
    """
    is_html = re.search(r"<[a-zA-Z/!]", message)
    content = LINK.sub(_in_new_tab, message) if is_html else f"<pre>{html.escape(message)}</pre>"
    return f"{MESSAGE_HEAD}{content}"


def size(count: int) -> str:
    """Return a number of bytes for people."""
    for unit, limit in (("B", 1024), ("kB", 1024**2), ("MB", 1024**3)):
        if count < limit:
            return f"{count / (limit / 1024):.{0 if unit == 'B' else 1}f} {unit}"
    return f"{count / 1024**3:.1f} GB"


def moment(at: datetime) -> str:
    """Return a time in UTC for people."""
    return at.strftime("%d %b %H:%M:%S")


def _in_new_tab(link: re.Match[str]) -> str:
    attributes = TARGET.sub("", link[2])
    # A link to a part of the message stays in its frame.
    target = "_self" if OWN_PART.search(attributes) else "_blank"
    return f'<{link[1]} target="{target}" rel="noopener noreferrer"{attributes}>'


_templates.globals.update(status_names=STATUS_NAMES, statuses=STATUSES_BY_HAND, navigation=NAVIGATION)
_templates.filters.update(size=size, framed=framed, moment=moment)

"""The body of a request: JSON, or with files a multipart form that is streamed."""

from __future__ import annotations

from requests_toolbelt import MultipartEncoder

from airflow_provider_usedesk.api.attachments import Upload
from airflow_provider_usedesk.api.hidden import HiddenBytes
from airflow_provider_usedesk.api.request import Request


class _HiddenForm(MultipartEncoder):  # type: ignore[misc]
    """A form whose parts are not shown by a traceback while they are sent."""

    def __repr__(self) -> str:
        return f"<form of {self.len} bytes>"

    def read(self, size: int = -1) -> HiddenBytes:
        return HiddenBytes(super().read(size))


class Body:
    """An encoded request, with the files that are read while it is sent; closing it closes the files."""

    content: bytes | MultipartEncoder
    content_type: str

    def __init__(self, request: Request, token: str) -> None:
        self._uploads = [(file, Upload(file)) for file in request.attachments]
        if not self._uploads:
            self.content, self.content_type = HiddenBytes(request.as_json(token)), "application/json"
            return
        parts = [
            (request.file_field, (file.name, upload, file.content_type)) for file, upload in self._uploads
        ]
        self.content = _HiddenForm([*request.as_form(token), *parts])
        self.content_type = self.content.content_type

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *error: object) -> None:
        for _, upload in self._uploads:
            upload.close()

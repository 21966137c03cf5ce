"""A client of a language server, as an editor is one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


class LanguageServer:
    """
    Ask a language server for completions and hovers.

    :param command: the command of the server, which talks over its standard streams
    :param root: the folder of the project
    """

    def __init__(self, command: list[str], root: Path) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._number = 0
        self._path = root / "an_editor_has_it_open.py"
        folder = {"uri": root.as_uri(), "name": "project"}
        abilities = {
            "workspace": {"configuration": True},
            "textDocument": {"hover": {"contentFormat": ["plaintext"]}},
        }
        self._ask("initialize", processId=None, workspaceFolders=[folder], capabilities=abilities)
        self._send(method="initialized", params={})

    def __enter__(self) -> LanguageServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def completions(self, source: str) -> list[str]:
        """Return what the server offers at the end of a source."""
        found = self._at_end("textDocument/completion", source)
        return [item["label"] for item in found["items"]]

    def hover(self, source: str) -> str:
        """Return what the server shows about the name at the end of a source."""
        text: str = self._at_end("textDocument/hover", source, back=1)["contents"]["value"]
        return text

    def signature(self, source: str) -> str:
        """Return the signature that the server shows within the parentheses at the end of a source."""
        [shown] = self._at_end("textDocument/signatureHelp", source)["signatures"]
        text: str = shown["label"]
        return text

    def _at_end(self, method: str, source: str, back: int = 0) -> Any:
        lines = source.split("\n")
        document = {"uri": self._path.as_uri(), "languageId": "python", "version": 1, "text": source}
        self._send(method="textDocument/didOpen", params={"textDocument": document})
        position = {"line": len(lines) - 1, "character": len(lines[-1]) - back}
        found = self._ask(method, textDocument={"uri": document["uri"]}, position=position)
        self._send(method="textDocument/didClose", params={"textDocument": {"uri": document["uri"]}})
        return found

    def _ask(self, method: str, **params: Any) -> Any:
        self._number += 1
        self._send(id=self._number, method=method, params=params)
        while True:
            message = self._receive()
            if "method" in message and "id" in message:
                self._send(id=message["id"], result=self._settings(message))
            elif message.get("id") == self._number:
                return message["result"]

    def _settings(self, message: dict[str, Any]) -> Any:
        if message["method"] != "workspace/configuration":
            return None
        settings = {"pythonPath": sys.executable, "analysis": {"diagnosticMode": "openFilesOnly"}}
        sections = [item.get("section") for item in message["params"]["items"]]
        return [settings if section == "python" else {} for section in sections]

    def _send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        if not length:
            raise RuntimeError("the language server has ended")
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message

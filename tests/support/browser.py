"""Debian's Chromium without a window, over the WebDriver protocol of its own chromedriver."""

from __future__ import annotations

import base64
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
]


class Browser:
    """
    A tab of a browser.

    :param session: the HTTP session
    :param url: URL of the WebDriver session
    """

    def __init__(self, session: requests.Session, url: str) -> None:
        self._session = session
        self._url = url

    def open(self, url: str) -> None:
        """Open a page; return when all of it is loaded, which the driver alone does not guarantee."""
        self._post("url", url=url)
        self.wait_until("return document.readyState === 'complete'")

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script that returns a value."""
        return self._post("execute/sync", script=script, args=list(arguments))

    def run_async(self, script: str, *arguments: Any) -> Any:
        """Run a script that gives its value to the function that is its last argument."""
        return self._post("execute/async", script=script, args=list(arguments))

    def wait_until(self, script: str, *arguments: Any, timeout: float = 60) -> Any:
        """Run a script again and again until it returns something true; return that."""
        deadline = time.monotonic() + timeout
        while not (value := self.run(script, *arguments)):
            assert time.monotonic() < deadline, f"{script} stays {value!r}"
            time.sleep(0.05)
        return value

    def set_size(self, width: int, height: int = 900) -> None:
        """Set the size of the page itself; a window cannot be as narrow as a phone."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self._command("Emulation.setDeviceMetricsOverride", metrics)

    def set_theme(self, theme: str) -> None:
        """Set the theme, ``light`` or ``dark``."""
        feature = {"name": "prefers-color-scheme", "value": theme}
        self._command("Emulation.setEmulatedMedia", {"features": [feature]})

    def disable_scripts(self, *, disabled: bool = True) -> None:
        self._command("Emulation.setScriptExecutionDisabled", {"value": disabled})

    def screenshot(self) -> bytes:
        return base64.b64decode(self._session.get(f"{self._url}/screenshot", timeout=60).json()["value"])

    def _command(self, name: str, parameters: dict[str, Any]) -> None:
        self._post("goog/cdp/execute", cmd=name, params=parameters)

    def _post(self, path: str, **body: Any) -> Any:
        response = self._session.post(f"{self._url}/{path}", json=body, timeout=60).json()["value"]
        assert not (isinstance(response, dict) and "error" in response), response
        return response


@contextmanager
def started_browser(profile: str) -> Iterator[Browser]:
    """Start a browser; ``profile`` is an empty folder for its files."""
    with started_driver() as port, requests.Session() as session:
        session.trust_env = False
        sessions = f"http://127.0.0.1:{port}/session"
        options = {"binary": CHROMIUM, "args": [*ARGUMENTS, f"--user-data-dir={profile}"]}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        created = session.post(sessions, json=wanted, timeout=120).json()["value"]
        assert "sessionId" in created, created
        url = f"{sessions}/{created['sessionId']}"
        try:
            yield Browser(session, url)
        finally:
            session.delete(url, timeout=30)


@contextmanager
def started_driver() -> Iterator[str]:
    """Start chromedriver and return its port; again if its port is free for only one of IPv4 and IPv6."""
    for _ in range(5):
        command = [str(DRIVER), "--port=0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as driver:
            assert driver.stdout is not None
            for line in driver.stdout:
                if "successfully on port" in line:
                    try:
                        yield line.rsplit(" ", 1)[1].rstrip(".\n")
                    finally:
                        driver.terminate()
                    return
    raise AssertionError("chromedriver does not start")

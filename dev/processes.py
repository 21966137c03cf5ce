"""Commands that end together with the program that started them, also if it is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil  # type: ignore[import-untyped, unused-ignore]

GRACE_SECONDS = 5.0


class Processes:
    """
    Runs commands, each in a session of its own, with its output in a file.

    A second process, the reaper, waits until this one closes a pipe or dies, and then ends those sessions.
    A killed program leaves no process behind, and there is one way to stop.
    """

    def __init__(self, log_dir: Path, *, remove_when_done: Path | None = None) -> None:
        self._log_dir = log_dir
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        arguments = [sys.executable, str(Path(__file__).resolve()), str(remove_when_done or "")]
        self._reaper = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )

    def start(
        self, name: str, command: list[str], env: dict[str, str] | None = None, user: str | None = None
    ) -> None:
        with self._log_file(name).open("ab") as log:
            process = subprocess.Popen(
                command,
                env=env,
                user=user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started[name] = process
        self._add_session(process.pid)

    def wait(self, name: str, timeout: float) -> int:
        return self._started[name].wait(timeout)

    def kill(self, name: str) -> None:
        """Kill a command and its children, as a failing machine would."""
        self.signal(name, signal.SIGKILL)
        self._started[name].wait()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a command and its children."""
        _signal_all(_members({self.pid(name)}), number)

    def pid(self, name: str) -> int:
        return self._started[name].pid

    def ended(self) -> dict[str, int]:
        """Return the exit codes of the commands that have ended."""
        codes = {name: process.poll() for name, process in self._started.items()}
        return {name: code for name, code in codes.items() if code is not None}

    def tail(self, name: str, lines: int = 40) -> str:
        with suppress(FileNotFoundError):
            return "\n".join(self._log_file(name).read_text(errors="replace").splitlines()[-lines:])
        return ""

    def stop(self) -> None:
        pipe = self._pipe()
        if not pipe.closed:
            pipe.close()
        self._reaper.wait()
        for process in self._started.values():
            process.wait()

    def _log_file(self, name: str) -> Path:
        return self._log_dir / f"{name}.log"

    def _add_session(self, session: int) -> None:
        self._pipe().write(f"{session}\n".encode())
        self._pipe().flush()

    def _pipe(self) -> IO[bytes]:
        assert self._reaper.stdin is not None  # noqa: S101 - it was started with a pipe
        return self._reaper.stdin


def reap(sessions: IO[str], directory: str) -> None:
    """Wait for the end of the input, end every session named in it, then remove the directory."""
    end_sessions({int(line) for line in sessions})
    if directory:
        shutil.rmtree(directory, ignore_errors=True)


def end_sessions(sessions: set[int]) -> None:
    _signal_all(_members(sessions), signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while members := _members(sessions):
        if time.monotonic() > deadline:
            _signal_all(members, signal.SIGKILL)
        time.sleep(0.05)


def _members(sessions: set[int]) -> set[int]:
    """The living processes of the sessions, and those they started in sessions further down."""
    in_session = [process for process in psutil.process_iter() if _session(process.pid) in sessions]
    found = set(in_session)
    for process in in_session:
        with suppress(psutil.Error):
            found.update(process.children(recursive=True))
    return {process.pid for process in found if _lives(process)}


def _session(pid: int) -> int | None:
    with suppress(OSError):
        return os.getsid(pid)
    return None


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def _signal_all(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, number)


if __name__ == "__main__":
    # Ctrl-C and a stop by a service manager are for the program; the reaper ends when its pipe closes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    reap(sys.stdin, sys.argv[1])

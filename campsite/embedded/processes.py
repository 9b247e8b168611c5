"""Child processes that end with us, whatever ends us, and waiting that a signal can break off.

Spawn from the main thread only: on Linux the kernel ends a child when the *thread* that spawned it ends.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO

from campsite.embedded.account import Account

PR_SET_PDEATHSIG = 1
POLL_S = 0.02
HURRIED_S = 0.5
KEPT_LOG_BYTES = 10_000_000
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Failed(Exception):
    """Something a person must know; the text says what to do."""


class Interrupted(Exception):
    """A signal asked us to stop."""


class Signals:
    """Counts SIGINT, SIGTERM and SIGHUP: one ends all waiting, a second one all politeness."""

    def __init__(self) -> None:
        self.count = 0

    def listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._count)

    def _count(self, number: int, frame: FrameType | None) -> None:
        self.count += 1


signals = Signals()


def wait_until(is_done: Callable[[], bool], timeout_s: float, what: str, every_s: float = POLL_S) -> None:
    """Raises Failed after timeout_s seconds and Interrupted when a signal asks us to stop."""
    deadline = time.monotonic() + timeout_s
    while not is_done():
        if signals.count:
            raise Interrupted
        if time.monotonic() > deadline:
            raise Failed(f"{what} took longer than {timeout_s:.0f} s.")
        time.sleep(every_s)


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Ask the kernel to send us this signal when our parent ends; elsewhere than on Linux nothing happens."""
    if _libc:
        _libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


class Process:
    """One child in its own session, so that a terminal's Ctrl-C reaches only us; its output goes to a log file."""

    def __init__(
        self,
        name: str,
        words: Sequence[str | Path],
        log: Path,
        *,
        account: Account | None = None,
        environment: Mapping[str, str] | None = None,
        directory: Path = Path("/"),
        stop_signal: int = signal.SIGTERM,
        orphan_signal: int = signal.SIGKILL,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        self.name, self.log, self.stop_signal = name, log, stop_signal
        parent = os.getpid()

        def prepare() -> None:
            die_with_parent(orphan_signal)
            if os.getppid() != parent:  # it died before we asked
                os._exit(1)

        drop = account is not None and account.uid != os.geteuid()
        with _open_log(log) as output:
            self._log_start = output.tell()
            # A dropped user gets nothing of root's environment, and locales that this machine lacks do no harm.
            self.popen = subprocess.Popen(
                words,
                stdin=stdin,
                stdout=output,
                stderr=output,
                cwd=directory,
                env={"PATH": os.defpath, "LC_ALL": "C"} if environment is None else environment,
                user=account.uid if account and drop else None,
                group=account.gid if account and drop else None,
                extra_groups=[] if drop else None,
                start_new_session=True,
                preexec_fn=prepare,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def exit_code(self) -> int | None:
        return self.popen.poll()

    def is_alive(self) -> bool:
        return self.exit_code is None

    def wait_ready(self, is_ready: Callable[[], bool], timeout_s: float, every_s: float = POLL_S) -> None:
        """Raises Failed with the end of its log when it ends instead, or takes longer than timeout_s seconds."""
        try:
            wait_until(lambda: not self.is_alive() or is_ready(), timeout_s, f"The start of {self.name}", every_s)
        except Failed as slow:
            raise Failed(f"{slow} {self._last_words()}") from None
        if not self.is_alive():
            raise Failed(f"{self.name} ended with code {self.exit_code}. {self._last_words()}")

    def wait_success(self, timeout_s: float) -> None:
        """Raises Failed with the end of its log when it ends with another code than 0."""
        wait_until(lambda: not self.is_alive(), timeout_s, self.name)
        if self.exit_code:
            raise Failed(f"{self.name} ended with code {self.exit_code}. {self._last_words()}")

    def stop(self, timeout_s: float) -> None:
        """Tell the process (not its children), wait, then kill its whole session."""
        with suppress(ProcessLookupError):
            self.popen.send_signal(self.stop_signal)
        began = time.monotonic()
        while self.is_alive() and time.monotonic() - began < (timeout_s if signals.count < 2 else HURRIED_S):
            time.sleep(POLL_S)
        self.kill()

    def kill(self) -> None:
        if self.is_alive():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.popen.wait()
        if self.popen.stdin:
            self.popen.stdin.close()

    def _last_words(self) -> str:
        with self.log.open("rb") as log:
            log.seek(
                self._log_start if self._log_start <= log.seek(0, os.SEEK_END) else 0
            )  # it was set aside meanwhile
            lines = log.read().decode(errors="replace").splitlines()[-8:]
        return "\n    ".join([f"The end of {self.log}:", *lines])


class Kept:
    """What runs as one process of ours; it is started again when that dies."""

    name: str
    process: Process | None = None
    stop_timeout_s = 5.0
    """How long it may take to end when it is told to."""

    def start(self) -> None:
        """Ready when it returns. Raises Failed."""
        raise NotImplementedError

    def stop(self) -> None:
        if self.process:
            self.process.stop(self.stop_timeout_s)

    def is_alive(self) -> bool:
        return self.process is not None and self.process.is_alive()


def _open_log(log: Path) -> IO[bytes]:
    """For appending; one that has grown too long is set aside."""
    log.parent.mkdir(mode=0o700, exist_ok=True)
    if log.exists() and log.stat().st_size > KEPT_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    return log.open("ab")


def bound_logs(folder: Path) -> None:
    """Set aside what has grown too long while somebody writes to it; what is written at this moment may be lost."""
    for log in folder.glob("*.log"):
        if log.stat().st_size > KEPT_LOG_BYTES:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)  # who writes appends: it goes on at the beginning


def identity(pid: int) -> str | None:
    """What tells this process from a later one with the same number; None when it is gone."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if state == "Z" else fields[18]
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
    started = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return started.stdout.strip() or None


def end_leftover(pid: int, known: str | None, timeout_s: float = 10) -> None:
    """End a process that an earlier run of ours left behind; SIGINT is the signal that all of ours obey fast."""
    if known is None or identity(pid) != known:
        return
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)
    try:
        wait_until(lambda: identity(pid) != known, timeout_s, "Ending a process of an earlier run")
    except Failed:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)

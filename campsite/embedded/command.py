"""script/manage: one command of manage.py, on the services of script/server if it runs, else on its own."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

from campsite.embedded import services
from campsite.embedded.children import ROOT, identified
from campsite.embedded.processes import die_with_parent, signals, wait_until
from campsite.embedded.progress import say
from campsite.embedded.server import environment, state_directory
from campsite.embedded.state import Busy, Card, State

START_TIMEOUT_S = 60


def run(words: list[str]) -> int:
    """Returns the command's exit code. Raises Failed when there are no services, Interrupted."""
    signals.listen()
    state = state_directory()
    while True:
        try:
            with state.locked():
                return _on_own_services(state, words)
        except Busy:
            wait_until(lambda: state.card() is not None, START_TIMEOUT_S, "The start of the services")
        with _users(state) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            if card := state.card():  # else its owner is just stopping them
                return _manage(words, environment(state, card.environment))


def _on_own_services(state: State, words: list[str]) -> int:
    with ExitStack() as stack:
        ours = services.for_server(state)
        stack.callback(ours.stop)
        ours.start()
        state.publish(Card(os.getpid(), "", ours.environment(), identified(ours.started())))
        stack.enter_context(_nobody_else(state))
        return _manage(words, environment(state, ours.environment()))


@contextmanager
def _nobody_else(state: State) -> Iterator[None]:
    """At the end waits for other commands that use our services."""
    try:
        yield
    finally:
        with _users(state) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another script/manage still uses these services; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            state.retract()


def _users(state: State) -> IO[str]:
    return (state.root / "users.lock").open("a")


def _manage(words: list[str], surroundings: dict[str, str]) -> int:
    """In the person's terminal; Ctrl-C is the command's business, other signals are passed on to it."""
    signal.signal(signal.SIGINT, lambda number, frame: None)
    child = subprocess.Popen([sys.executable, "manage.py", *words], cwd=ROOT, env=surroundings, preexec_fn=_follow)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: child.send_signal(number))
    code = child.wait()
    return code if code >= 0 else 128 - code


def _follow() -> None:
    die_with_parent(signal.SIGTERM)

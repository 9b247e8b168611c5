"""What stands beside us: pages and ports that should answer (PROBES), certificates that end (WATCHED_CERTIFICATES).

Each is asked with a time-out, all at once: a list of dead ones holds up the minute's other checks for seconds only.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TypeVar
from urllib.parse import urlsplit

from django.conf import settings

from monitoring.findings import Finding, Severity

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
TIMEOUT_S = 5.0
PATIENCE_S = 10.0
AT_ONCE = 16
SILENCE = "time-out"
SERVER_ERROR = 500
"""From here on the server itself is broken; 401 or 404 say that it lives."""
SOON = timedelta(days=14)
"""Let's Encrypt's are renewed a month before they end: then something is wrong with that."""


def probes(now: datetime) -> Iterator[Finding]:
    for (name, url), why in _ask_all(settings.PROBES.items(), lambda told: _why_dead(told[1])):
        if why:
            address = url.partition("?")[0]  # whoever is told need not know what may be a key
            yield Finding("probe_fails", Severity.WARNING, name, {"name": name, "address": address, "why": why})


def certificates(now: datetime) -> Iterator[Finding]:
    """By a real handshake, as any browser or Sirvoy makes it."""
    for address, told in _ask_all(settings.WATCHED_CERTIFICATES, _ends_at):
        if isinstance(told, str):
            yield Finding("certificate_refused", Severity.WARNING, address, {"address": address, "why": told})
        elif told - now < SOON:
            facts = {"address": address, "days": max(0, (told - now).days)}
            yield Finding("certificate_ends", Severity.WARNING, address, facts)


# --- inside ----------------------------------------------------------------------------------------------------------


def _ask_all(asked: Iterable[Asked], ask: Callable[[Asked], Answer]) -> Iterator[tuple[Asked, Answer | str]]:
    """What each of them answers, or why it does not. Whom there was no time to ask is unknown, and left out."""
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="probe")
    answers = {pool.submit(ask, each): each for each in asked}
    wait(answers, PATIENCE_S)
    pool.shutdown(wait=False, cancel_futures=True)
    for future, each in answers.items():
        if future.cancelled():
            continue
        yield each, future.result() if future.done() else SILENCE


def _why_dead(url: str) -> str:
    """Empty where it lives."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "tcp":
            socket.create_connection((parts.hostname or "", parts.port or 0), TIMEOUT_S).close()
            return ""
        return _why_dead_page(url)
    except (OSError, HTTPException, ValueError) as failure:
        return _named(failure)


def _why_dead_page(url: str) -> str:
    """Nobody follows where it leads, nor reads what it says."""
    parts = urlsplit(url)
    # Pages of a NAS or a router have certificates of their own making; nothing secret is sent there.
    secure = ssl._create_unverified_context()  # noqa: S323
    page = (
        HTTPSConnection(parts.netloc, timeout=TIMEOUT_S, context=secure)
        if parts.scheme == "https"
        else HTTPConnection(parts.netloc, timeout=TIMEOUT_S)
    )
    try:
        page.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        status = page.getresponse().status
    finally:
        page.close()
    return f"HTTP {status}" if status >= SERVER_ERROR else ""


def _ends_at(address: str) -> datetime | str:
    """Until when the certificate at `host:port` is valid, or why it is refused."""
    host, _, port = address.rpartition(":")
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host.strip("[]")) as secure,
        ):
            told = secure.getpeercert() or {}
            return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(told["notAfter"])), UTC)
    except ssl.SSLCertVerificationError as failure:
        return failure.verify_message
    except (OSError, KeyError, ValueError) as failure:
        return _named(failure)


def _named(failure: Exception) -> str:
    return SILENCE if isinstance(failure, TimeoutError) else type(failure).__name__

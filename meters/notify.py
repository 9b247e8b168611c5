"""What the worker is told through the database, once the present transaction commits."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

CHANGED = "meters_changed"
COMMANDS = "meters_commands"
MOST_NAMED = 1000
"""A notification holds 8000 bytes; for more meters than this it names none, which means all."""


def touch() -> None:
    """Staff changed something that boards show: areas, pitches, cards."""
    _notify(CHANGED, "")


def wake(meter_ids: Iterable[int] = ()) -> None:
    """Wants or commands of these meters changed, or there is a request to send."""
    named = sorted(set(meter_ids))
    _notify(COMMANDS, ",".join(map(str, named)) if len(named) <= MOST_NAMED else "")


def _notify(channel: str, payload: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [channel, payload])

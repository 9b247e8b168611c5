"""What is done at night, whenever one is wanted: an hour by day has none of its own."""

from __future__ import annotations

import psycopg

from monitoring.backup import sealing
from tests.meters.harness import OwnServices

DUE = "UPDATE django_q_schedule SET next_run = now() WHERE schedule_type = 'D'"
DRILL_DUE = "UPDATE monitoring_restoredrill SET started_at = started_at - interval '29 days'"


def backed(services: OwnServices) -> dict[str, str]:
    """Settings of a product that has a folder for its backups, and a key of its own that opens them."""
    identity, recipient = sealing.new_key()
    there = services.root / "backups"
    there.mkdir()
    return {
        "BACKUP_TARGETS": f"there file://{there}",
        "BACKUP_RECIPIENTS": recipient,
        "BACKUP_IDENTITY": identity,
        "BACKUP_WORK": str(services.root / "work"),
        "POSTGRES_PROGRAMS": str(services.postgres.programs),
    }


def begin(database: psycopg.Connection[tuple[object, ...]]) -> None:
    """All daily jobs become due, a drill of the newest backup among them."""
    database.execute(DRILL_DUE)
    database.execute(DUE)

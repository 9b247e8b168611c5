"""Whether there is a backup that is new, whole, on each target, and that can be brought back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Min

from monitoring.backup import drill, kept, runs
from monitoring.findings import Fact, Finding, Severity
from monitoring.models import BackupCopy, BackupRun, RestoreDrill

OVERDUE = timedelta(hours=26)
"""One is made each night, and takes its time."""
DRILL_OVERDUE = timedelta(days=35)
"""One is made each month."""
NAMED = 5
FIRST_POSSIBLE = "SELECT applied FROM django_migrations WHERE app = 'monitoring' AND name = '0006_backups_and_drills'"


def unset(now: datetime) -> Iterator[Finding]:
    missing = [name for name in ("BACKUP_TARGETS", "BACKUP_RECIPIENTS") if not getattr(settings, name)]
    if missing:
        yield Finding("backup_unset", Severity.WARNING, facts={"settings": ", ".join(missing)})


def overdue(now: datetime) -> Iterator[Finding]:
    """Of all targets one finding; of one that gets none while others do, one of that target."""
    if not runs.is_set():
        return
    since = {each.target: each.newest for each in kept.on_targets()}
    for target in [target for target, newest in since.items() if newest is None]:
        since[target] = _first_asked(target)
    late = {target: at for target, at in since.items() if at and now - at > OVERDUE}
    if late and len(late) == len(settings.BACKUP_TARGETS):
        yield _overdue("", ", ".join(late), max(late.values()), now)
    else:
        yield from (_overdue(target, target, at, now) for target, at in late.items())


def failures(now: datetime) -> Iterator[Finding]:
    """Of the last one that ended: until another one goes well."""
    last = _last_ended() if runs.is_set() else None
    if last is None:
        return
    failed = last.copies.filter(status=BackupCopy.Status.FAILED).order_by("target")
    wrong = {copy.target: copy.error for copy in failed if copy.target in settings.BACKUP_TARGETS}
    if last.error and wrong:
        yield _failed("", ", ".join(wrong), last.error, last)
    else:
        yield from (_failed(target, target, why, last) for target, why in wrong.items())
    if missing := [*_missing(last.manifest or {})]:
        names = ", ".join(missing[:NAMED]) + (" …" if len(missing) > NAMED else "")
        facts: dict[str, Fact] = {"missing": names, "count": len(missing)}
        yield Finding("backup_incomplete", Severity.WARNING, facts=facts, since=last.finished_at)


def _missing(manifest: dict[str, Any]) -> Iterator[str]:
    """What is not in it, and Zigbee2MQTTs of which it holds other devices than their inventories listed: how many of
    how many.
    """
    yield from (told["name"] for told in manifest.get("missing", []))
    for part in manifest.get("parts", []):
        devices, listed = part["facts"].get("devices"), part["facts"].get("listed")
        if listed is not None and devices != listed:
            yield f"{part['name']} ({devices}/{listed})"


def drills(now: datetime) -> Iterator[Finding]:
    """Only where there is a backup to be tried."""
    first = _first_good() if runs.is_set() else None
    if first is None:
        return
    for last in drill.last_of_each():
        if last.status == RestoreDrill.Status.FAILED:
            facts: dict[str, Fact] = {"target": last.target, "why": last.error}
            yield Finding("drill_failed", Severity.WARNING, last.target, facts, last.started_at)
    good = RestoreDrill.objects.filter(status=RestoreDrill.Status.DONE).order_by("-started_at").first()
    since = good.started_at if good else first
    if now - since > DRILL_OVERDUE:
        yield Finding("drill_overdue", Severity.WARNING, facts={"days": (now - since).days}, since=since)


def _last_ended() -> BackupRun | None:
    return BackupRun.objects.exclude(status=BackupRun.Status.RUNNING).order_by("-started_at").first()


def _first_good() -> datetime | None:
    good = BackupCopy.objects.filter(status=BackupCopy.Status.DONE)
    first: datetime | None = good.aggregate(at=Min("run__started_at"))["at"]
    return first


def _first_asked(target: str) -> datetime | None:
    """Since when it could have had one: its first try; without any run at all, since this software can make one."""
    first: datetime | None = BackupCopy.objects.filter(target=target).aggregate(at=Min("run__started_at"))["at"]
    if first is not None or BackupRun.objects.exists():
        return first
    with connection.cursor() as cursor:
        cursor.execute(FIRST_POSSIBLE)
        row = cursor.fetchone()
    return row[0] if row else None


def _overdue(about: str, targets: str, since: datetime, now: datetime) -> Finding:
    facts: dict[str, Fact] = {"target": targets, "hours": int((now - since).total_seconds() // 3600)}
    return Finding("backup_overdue", Severity.WARNING, about, facts, since=since)


def _failed(about: str, targets: str, why: str, last: BackupRun) -> Finding:
    facts: dict[str, Fact] = {"target": targets, "why": why}
    return Finding("backup_failed", Severity.WARNING, about, facts, since=last.finished_at)

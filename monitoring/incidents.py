"""What is wrong for longer than a moment. The only module that writes Incident."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F

from meters.people import Person, person
from monitoring.findings import RANK, Finding, Severity
from monitoring.models import Incident

FOUND, MISSED = 2, 2
"""So many looks in a row until it opens, and until it closes: what flaps does neither."""
KEPT = timedelta(days=730)
LOCK = 7_301_090


def take(findings: Iterable[Finding], now: datetime) -> None:
    """What one look over the whole site found. Two looks at once count as one: the second finds the lock taken."""
    found = {finding.key: finding for finding in findings}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return
        known = {incident.key: incident for incident in Incident.objects.filter(closed_at=None)}
        Incident.objects.bulk_create(_new(finding, now) for key, finding in found.items() if key not in known)
        for key, incident in known.items():
            if key in found:
                _found_again(incident, found[key], now)
        _missed([incident.pk for key, incident in known.items() if key not in found], now)


def open_now() -> list[Incident]:
    """What staff should know of, worst first; what is explained by another one that is open is left out. One query."""
    opened = {each.key: each for each in Incident.objects.filter(closed_at=None, opened_at__isnull=False)}
    told = [each for each in opened.values() if each.part_of not in opened]
    return sorted(told, key=lambda each: (RANK[Severity(each.severity)], each.since))


def look_after(incident: Incident, by: Person, comment: str, now: datetime) -> bool:
    """Somebody does something about it. False where it is closed by now."""
    mine = Incident.objects.filter(pk=incident.pk, closed_at=None)
    return bool(mine.update(seen_by=person(by), seen_at=now, comment=comment))


def prune(now: datetime) -> None:
    Incident.objects.filter(closed_at__lt=now - KEPT).delete()


def _new(finding: Finding, now: datetime) -> Incident:
    return Incident(
        key=finding.key,
        code=finding.code,
        about=finding.about,
        severity=finding.severity,
        facts=dict(finding.facts),
        part_of=finding.part_of,
        since=finding.since or now,
        found_at=now,
        opened_at=now if FOUND == 1 else None,
    )


def _found_again(incident: Incident, finding: Finding, now: datetime) -> None:
    """What it says may have changed; when it began is what was said first."""
    times = incident.times_found + 1
    Incident.objects.filter(pk=incident.pk, closed_at=None).update(
        severity=finding.severity,
        facts=dict(finding.facts),
        part_of=finding.part_of,
        found_at=now,
        times_found=times,
        times_missed=0,
        opened_at=incident.opened_at or (now if times >= FOUND else None),
    )


def _missed(incident_ids: list[int], now: datetime) -> None:
    """What never opened is forgotten at once."""
    mine = Incident.objects.filter(pk__in=incident_ids, closed_at=None)
    mine.filter(opened_at=None).delete()
    mine.update(times_missed=F("times_missed") + 1)
    mine.filter(times_missed__gte=MISSED).update(closed_at=now)

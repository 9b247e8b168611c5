"""What is wrong for longer than a moment. The only module that writes Incident and IncidentNote."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from auditlog.models import LogEntry
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from meters.forgetting import forget
from meters.people import Person, person
from monitoring import blind, looks, maintenance, whose
from monitoring.findings import LONGEST_ABOUT, LONGEST_CHECK, RANK, Finding, Severity
from monitoring.models import Incident, IncidentNote

FOUND = 2
"""So many looks in a row until it opens."""
MISSED = (2, 15, 60)
"""So many until it closes: usually, when it came back shortly after it was over, and when it did so more than once.
What flaps does neither open nor close each time.
"""
SHORTLY = timedelta(hours=1)
LOCK = 7_301_090
LONGEST_COMMENT = 300
AUDITED = ("seen_by", "snoozed_until", "comment")
"""What people change of an incident, and the audit log tells."""

Kind = IncidentNote.Kind


def take(findings: Iterable[Finding], now: datetime) -> None:
    """What one look over the whole site found. Two looks at once count as one: the second finds the lock taken."""
    found = {finding.key: finding for finding in findings}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0] or not looks.note(now):
            return
        known = {incident.key: incident for incident in Incident.objects.filter(closed_at=None)}
        placed = {key for key, incident in known.items() if incident.area_id}
        areas = whose.areas_of([finding for key, finding in found.items() if key not in placed])
        _begin([finding for key, finding in found.items() if key not in known], areas, now)
        for key, incident in known.items():
            if key in found:
                _found_again(incident, found[key], areas.get(key), known, now)
        _not_found([incident for key, incident in known.items() if key not in found], found.values(), now)
        _show(now)


# --- what is read ----------------------------------------------------------------------------------------------------


def open_now() -> list[Incident]:
    """What staff should know of, worst first; what is explained by another one is left out. One query."""
    unclosed = {each.key: each for each in Incident.objects.filter(closed_at=None).select_related("area")}
    told = [each for each in unclosed.values() if each.opened_at and each.part_of not in unclosed]
    return sorted(told, key=lambda each: (RANK[Severity(each.severity)], each.since))


def to_tell(now: datetime) -> list[Incident]:
    """What people are to be told of: neither snoozed nor worked on, and seen to go on. Two queries."""
    return [each for each in _shown(now) if each.unseen_since is None]


def not_snoozed(findings: Collection[Finding], now: datetime) -> list[Finding]:
    """One query."""
    snoozed = set(Incident.objects.filter(closed_at=None, snoozed_until__gt=now).values_list("key", flat=True))
    return [each for each in findings if each.key not in snoozed]


def _shown(now: datetime) -> list[Incident]:
    windows = maintenance.ongoing(now)
    awake = [each for each in open_now() if each.snoozed_until is None or each.snoozed_until <= now]
    return [each for each in awake if not maintenance.is_planned(windows, each.area_id, each.component)]


# --- what people do --------------------------------------------------------------------------------------------------


def look_after(incident: Incident, by: Person, comment: str, now: datetime) -> bool:
    """Somebody does something about it. False where it is closed by now."""
    comment = comment[:LONGEST_COMMENT]
    told = {"seen_by": person(by), "seen_at": now, "comment": comment or incident.comment}
    return _change(incident, Kind.LOOKED_AFTER, told, by, now, comment)


def leave(incident: Incident, by: Person, now: datetime) -> bool:
    """Nobody looks after it any more: it is told again. False where it is closed by now."""
    return _change(incident, Kind.LEFT, {"seen_by": None, "seen_at": None}, by, now)


def say(incident: Incident, by: Person, comment: str, now: datetime) -> bool:
    """Note something for the others. False where it is closed by now."""
    comment = comment[:LONGEST_COMMENT]
    return _change(incident, Kind.SAID, {"comment": comment}, by, now, comment)


def snooze(incident: Incident, by: Person, until: datetime, now: datetime) -> bool:
    """Nobody is told of it until then, unless it gets worse than it is now. False where it is closed by now, or `until`
    is over.
    """
    if until <= now:
        return False
    told = {"snoozed_until": until, "snoozed_by": person(by), "shown_at": None, "worst": F("severity")}
    return _change(incident, Kind.SNOOZED, told, by, now, until=until)


def wake(incident: Incident, by: Person, now: datetime) -> bool:
    """It is snoozed no more. False where it is closed by now."""
    return _change(incident, Kind.WOKEN, {"snoozed_until": None, "snoozed_by": None}, by, now)


def _change(
    incident: Incident,
    kind: str,
    told: Mapping[str, object],
    by: Person,
    now: datetime,
    text: str = "",
    until: datetime | None = None,
) -> bool:
    with transaction.atomic():
        if not Incident.objects.filter(pk=incident.pk, closed_at=None).update(**told):
            return False
        IncidentNote.objects.create(incident=incident, kind=kind, at=now, by=person(by), text=text, until=until)
        changes = {name: [_word(getattr(incident, name)), _word(told[name])] for name in AUDITED if name in told}
        LogEntry.objects.log_create(incident, action=LogEntry.Action.UPDATE, changes=changes, actor=person(by))
    return True


def _word(value: object) -> str:
    """As the audit log has it."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def nobody_looks(now: datetime) -> int:
    """Whether what is open goes on is not known until the next look finds or misses it: nobody is told of it before
    that. For a database that was brought back. Returns how many.
    """
    return Incident.objects.filter(closed_at=None).update(unseen_since=now)


def prune(before: datetime) -> int:
    """Forget incidents that were over before then, with their notes and alerts; returns how many."""
    return forget(Incident.objects.filter(closed_at__lt=before))


# --- what a look changes ---------------------------------------------------------------------------------------------


def _begin(findings: Collection[Finding], areas: Mapping[str, int], now: datetime) -> None:
    if not findings:
        return
    keys = [finding.key for finding in findings]
    last = Incident.objects.filter(key__in=keys).order_by("key", "-closed_at").distinct("key")
    before = {each.key: each for each in last}
    Incident.objects.bulk_create(
        _new(finding, areas.get(finding.key), before.get(finding.key), now) for finding in findings
    )


def _new(finding: Finding, area_id: int | None, before: Incident | None, now: datetime) -> Incident:
    """What comes back shortly after it was over is still looked after; what was snoozed stays so, if it is no worse."""
    made = Incident(
        key=finding.key,
        code=finding.code,
        about=finding.about[:LONGEST_ABOUT],
        area_id=area_id,
        check_name=finding.check[:LONGEST_CHECK],
        severity=finding.severity,
        worst=finding.severity,
        facts=dict(finding.facts),
        part_of=finding.part_of,
        since=finding.since or now,
        found_at=now,
    )
    is_worse = before and RANK[finding.severity] < RANK[Severity(before.worst or before.severity)]
    if before and before.snoozed_until and before.snoozed_until > now and not is_worse:
        made.snoozed_until, made.snoozed_by_id = before.snoozed_until, before.snoozed_by_id
    if before and before.closed_at and now - before.closed_at < SHORTLY:
        made.comebacks = before.comebacks + 1
        made.seen_by_id, made.seen_at, made.comment = before.seen_by_id, before.seen_at, before.comment
    return made


def _found_again(
    incident: Incident, finding: Finding, area_id: int | None, known: Collection[str], now: datetime
) -> None:
    """What it says may have changed; when it began is what was said first. As long as what explained it is not known
    to be over, it explains it. `area_id`: of one that began when nobody knew whose it is (a meter that no area listed,
    code that did not note it).
    """
    times = incident.times_found + 1
    told = {
        "severity": finding.severity,
        "facts": dict(finding.facts),
        "part_of": finding.part_of or (incident.part_of if incident.part_of in known else ""),
        "check_name": finding.check[:LONGEST_CHECK],
        "area_id": incident.area_id or area_id,
        "found_at": now,
        "times_found": times,
        "times_missed": 0,
        "unseen_since": None,
        "opened_at": incident.opened_at or (now if times >= FOUND else None),
    }
    worst = Severity(incident.worst or incident.severity)
    if RANK[finding.severity] < RANK[worst]:  # who snoozed it did not know that
        told |= {"worst": finding.severity, "snoozed_until": None, "snoozed_by": None, "shown_at": None}
        if incident.opened_at:
            IncidentNote.objects.create(incident=incident, kind=Kind.WORSE, at=now)
    Incident.objects.filter(pk=incident.pk, closed_at=None).update(**told)


def _not_found(missing: Collection[Incident], found: Collection[Finding], now: datetime) -> None:
    """Of what cannot be seen just now nothing follows. What never opened is forgotten at once."""
    unseen = blind.unseen(list(missing), list(found), now) if missing else set()
    Incident.objects.filter(pk__in=unseen, closed_at=None).update(unseen_since=Coalesce("unseen_since", now))
    mine = Incident.objects.filter(pk__in={each.pk for each in missing} - unseen, closed_at=None)
    mine.filter(opened_at=None).delete()
    mine.update(times_missed=F("times_missed") + 1, unseen_since=None)
    for comebacks, times in enumerate(MISSED):
        of_them = {"comebacks__gte": comebacks} if times == MISSED[-1] else {"comebacks": comebacks}
        mine.filter(times_missed__gte=times, **of_them).update(closed_at=now)


def _show(now: datetime) -> None:
    """Note since when nothing keeps each from being told: who is next in turn is told so long after that."""
    shown = [each.pk for each in _shown(now)]
    is_new = Q(shown_at=None) | Q(shown_at__gt=now)  # a clock that was set back
    Incident.objects.filter(is_new, pk__in=shown).update(shown_at=now)
    Incident.objects.filter(closed_at=None, shown_at__isnull=False).exclude(pk__in=shown).update(shown_at=None)

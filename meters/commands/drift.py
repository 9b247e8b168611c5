"""Where the relay is not as wanted and nothing is under way: switch it, ask for it, or say why it is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import ngettext

from meters import online, shards
from meters.commands import queue, stop, wants
from meters.commands.errors import AlreadyStopped
from meters.commands.rules import Act, Facts, Limits, decide
from meters.models import AutomaticStop, Command, Want

# Only wants that are in force, that nothing is under way for, and that may need something.
LOOK = """
WITH force AS (
    SELECT DISTINCT ON (meter_id) * FROM meters_want
    WHERE ended_at IS NULL AND (until IS NULL OR until > %(now)s) ORDER BY meter_id, priority DESC
)
SELECT w.id AS want_id, w.meter_id, w.source, w.state, w.since, w.fulfilled_at, w.hold, w.hold_at,
    s.relay, s.relay_at,
    GREATEST(s.current_a, (SELECT max(phase) FROM unnest(s.phase_current_a) phase))::float AS current_a,
    d.available_since, d.announced_at, a.control = 'act' AS may_act,
    COALESCE(bool_or(p.policy = 'never_cut'), false) AS never_cut,
    COALESCE(bool_or(p.policy = 'manual'), false) AS by_hand_only,
    (
        SELECT c.failure FROM meters_command c WHERE c.meter_id = m.id AND (c.load <> '' OR c.status = 'confirmed')
        ORDER BY c.id DESC LIMIT 1
    ) AS newest_failure,
    last.status AS last_status, last.failure AS last_failure, last.finished_at AS last_finished_at,
    last.created_at AS last_created_at, corrections.count AS corrections, d.relay_readable AS is_readable,
    d.area_id AS fact_area_id, d.removed_at AS fact_removed_at, d.disabled AS fact_disabled, d.left_at AS fact_left_at,
    d.available AS fact_available, s.heard_at AS fact_heard_at, s.gap_s AS fact_gap_s
FROM force w
JOIN meters_meter m ON m.id = w.meter_id
JOIN meters_device d ON d.id = m.device_id
LEFT JOIN meters_area a ON a.id = d.area_id
LEFT JOIN meters_meterstate s ON s.meter_id = m.id
LEFT JOIN meters_installation i ON i.meter_id = m.id AND i.period @> %(now)s
LEFT JOIN meters_pitch p ON p.id = i.pitch_id
LEFT JOIN LATERAL (
    SELECT c.* FROM meters_command c WHERE c.meter_id = m.id AND c.want_id = w.id ORDER BY c.id DESC LIMIT 1
) last ON true
LEFT JOIN LATERAL (
    -- What is wanted anew may be switched however often it is: only what was done or tried before is a correction.
    SELECT count(*) FROM meters_command c JOIN meters_want cw ON cw.id = c.want_id
    WHERE c.meter_id = m.id AND c.automatic AND c.attempts > 0
        AND c.created_at > %(now)s - interval '1 hour' AND c.created_at >= cw.since
        AND (cw.fulfilled_at < c.created_at OR EXISTS (
            SELECT FROM meters_command e WHERE e.want_id = c.want_id AND e.id < c.id AND e.created_at >= cw.since
        ))
) corrections ON true
WHERE (
        s.relay IS DISTINCT FROM w.state OR w.fulfilled_at IS NULL OR w.hold <> ''
        OR (w.fulfilled_at < d.announced_at AND s.relay_at >= d.announced_at)
    )
    AND NOT EXISTS (
        SELECT FROM meters_command c
        WHERE c.meter_id = m.id AND c.status IN ('queued', 'sent', 'acknowledged')
    )
GROUP BY m.id, w.id, w.meter_id, w.source, w.state, w.since, w.fulfilled_at, w.hold, w.hold_at, s.relay, s.relay_at,
    s.current_a, s.phase_current_a, d.id, a.id, last.status, last.failure, last.finished_at, last.created_at,
    corrections.count, s.heard_at, s.gap_s
"""


@dataclass
class Findings:
    """What a look led to. `changed`: meters (ids) of which boards must hear; `asking`: who is to be asked."""

    changed: set[int] = field(default_factory=set)
    asking: set[int] = field(default_factory=set)
    switched: int = 0


@dataclass(frozen=True, slots=True)
class Case:
    """A want that may need something. `is_ours`: of this worker's areas; `session`: since when its worker's present
    connection stands.
    """

    want_id: int
    meter_id: int
    facts: Facts
    is_ours: bool
    session: datetime | None


def correct(now: datetime, session: datetime | None, areas: Sequence[int] | None = None) -> Findings:
    """Look at every want in force of these areas' meters (`shards.of`) and do what `rules.decide` says. `session` as in
    `rules.Limits`.
    """
    decided = _decided(now, session, areas)
    found = Findings()
    for case, decision in decided:
        match decision:
            case _ if not case.is_ours:
                pass
            case Act.NOTHING:
                found.changed |= _fulfilled(case, now)
            case Act.ASK:
                found.asking.add(case.meter_id)
                found.changed |= _hold(case, Want.Hold.ASKED, now)
            case Want.Hold():
                found.changed |= _hold(case, decision, now)
    if due := {case.meter_id for case, decision in decided if case.is_ours and decision is Act.SWITCH}:
        found.switched = _switch(now, session, areas)
        found.changed |= due
    return found


def would_switch(now: datetime) -> list[Want]:
    """What is left alone only because the area observes, with meter and area: what acting would do."""
    held = Want.objects.filter(ended_at=None, hold=Want.Hold.OBSERVE).select_related("meter__device__area")
    found = list(held.order_by("meter__device__friendly_name"))
    ruling = wants.in_force([want.meter_id for want in found], now)
    return [want for want in found if want == ruling.get(want.meter_id)]


# --- inside ----------------------------------------------------------------------------------------------------------


def _decided(
    now: datetime, session: datetime | None, areas: Sequence[int] | None
) -> list[tuple[Case, Act | Want.Hold]]:
    """Of all areas: other workers' switch-offs count as ours do."""
    with connection.cursor() as cursor:
        cursor.execute(LOOK, {"now": now})
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    if not rows:
        return []
    link, is_stopped = online.link(now), stop.current() is not None
    cases = [_case(row, link, is_stopped, now, areas) for row in rows]
    return [(case, decide(case.facts, _limits(session if case.is_ours else case.session), now)) for case in cases]


def _limits(session: datetime | None) -> Limits:
    return Limits(session, timedelta(seconds=settings.COMMAND_DEADLINE_S), settings.CORRECTIONS_AN_HOUR)


def _case(row: dict[str, Any], link: online.Link, is_stopped: bool, now: datetime, areas: Sequence[int] | None) -> Case:
    area = row["fact_area_id"]
    status = online.judge(online.Facts(*(row.pop(f"fact_{name}") for name in online.Facts._fields)), link, now)
    want_id, meter_id = row.pop("want_id"), row.pop("meter_id")
    told: dict[str, Any] = row | {name: row[name] or "" for name in ("last_status", "last_failure", "newest_failure")}
    told["may_act"] = bool(row["may_act"])
    facts = Facts(**told, is_online=status.is_online, is_stopped=is_stopped)
    return Case(want_id, meter_id, facts, areas is None or (area or shards.NO_AREA) in areas, link.connected_at(area))


def _fulfilled(case: Case, now: datetime) -> set[int]:
    """It is as wanted; also after a return of power, which explains nothing that happens from now on."""
    told, want = case.facts, Want.objects.filter(pk=case.want_id, ended_at=None)
    if told.fulfilled_at is None or (told.announced_at and told.fulfilled_at < told.announced_at):
        want.update(fulfilled_at=now)
    if not told.hold:
        return set()
    want.update(hold="", hold_at=None)
    return {case.meter_id}


def _hold(case: Case, hold: str, now: datetime) -> set[int]:
    if case.facts.hold == hold:
        return set()
    Want.objects.filter(pk=case.want_id, ended_at=None).update(hold=hold, hold_at=now)
    return {case.meter_id}


def _switch(now: datetime, session: datetime | None, areas: Sequence[int] | None) -> int:
    """Commands for what is due, unless that would be too many switch-offs: then everything automatic stops, and asks.

    Returns how many commands were made. One worker at a time looks again, counts and makes them: two would each find
    room for the same number, or count those that the other has made as due.
    """
    with transaction.atomic():
        stop.count_alone()
        due = [case for case, decision in _decided(now, session, areas) if decision is Act.SWITCH]
        offs = sum(not case.facts.state for case in due)
        ours = [case for case in due if case.is_ours]
        if not ours:
            return 0
        if offs > stop.offs_left(now):
            _halt(offs)
            return 0
        return _make(ours, now)


def _make(cases: Sequence[Case], now: datetime) -> int:
    meters = [case.meter_id for case in cases]
    wants.lock(meters)
    ruling = {want.pk for want in wants.in_force(meters, now).values()}
    busy = set(Command.objects.filter(meter__in=meters, status__in=Command.OPEN).values_list("meter_id", flat=True))
    chosen = [case for case in cases if case.want_id in ruling and case.meter_id not in busy]
    due = list(Want.objects.filter(pk__in=[case.want_id for case in chosen]))
    queue.make(due, now, automatic=True)
    Want.objects.filter(pk__in=[want.pk for want in due]).exclude(hold="").update(hold="", hold_at=None)
    return len(due)


def _halt(offs: int) -> None:
    with suppress(AlreadyStopped):
        reason = ngettext("%(n)d switch-off was due at once", "%(n)d switch-offs were due at once", offs) % {"n": offs}
        stop.press(None, reason, AutomaticStop.Cause.LIMIT)

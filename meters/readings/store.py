"""Store a batch of reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter

from django.db import transaction

from meters import partitions
from meters.directory import Known
from meters.readings import hours, tables
from meters.readings.counters import (
    CACHED_SLACK_S,
    FRESH_SLACK_S,
    Counter,
    Doubt,
    Point,
    Rise,
    Step,
    advance,
    goes_on,
    place_late,
)
from meters.readings.latest import Latest, Report, Row, counter_point, hear, take


@dataclass
class Batch:
    """What a batch of reports leads to, before it is written."""

    rows: list[Row] = field(default_factory=list)
    counted: list[tuple[int, Point, int]] = field(default_factory=list)
    rises: list[tuple[int, Rise]] = field(default_factory=list)
    epochs: list[tuple[int, int, str, Point, Point]] = field(default_factory=list)
    doubts: list[tuple[int, Point, str, int | None]] = field(default_factory=list)
    late_points: list[tuple[int, Known, Point]] = field(default_factory=list)
    late_watts: list[tuple[int, datetime]] = field(default_factory=list)


def store(reports: Sequence[Report]) -> set[int]:
    """Write the reports; returns the ids of the meters that were heard.

    Raises what the database raises, and has then written nothing.
    """
    if not reports:
        return set()
    with transaction.atomic(savepoint=False):
        partitions.ensure_for(report.measured_at for report in reports)
        by_meter = _by_meter(reports)
        states = tables.read_states(by_meter)
        batch = Batch()
        for meter_id in sorted(by_meter):  # so that pages are filled in order
            _take(batch, states[meter_id], sorted(by_meter[meter_id], key=attrgetter("measured_at")))
        _write(batch)
        for meter_id, known, point in batch.late_points:
            _store_late(states[meter_id], known, point)
        for meter_id, at in sorted(set(batch.late_watts)):
            hours.rebuild_around(meter_id, at)
        tables.write_states(states.values())
    return set(states)


def _by_meter(reports: Sequence[Report]) -> dict[int, list[Report]]:
    found: dict[int, list[Report]] = defaultdict(list)
    for report in reports:
        found[report.meter_id].append(report)
    return found


def _take(batch: Batch, latest: Latest, reports: Sequence[Report]) -> None:
    """What a meter told, in the order of its times; what has one time in the order of its arrival."""
    powers, row = take(latest, reports), None
    for (known, state, at, counts), power_w in zip(reports, powers, strict=True):
        is_new = hear(latest, at)
        point = counter_point(latest.counter, known, state, at) if counts else None
        if row is None or row.measured_at != at:
            row = Row.of(latest.meter_id, at, state, power_w, point is not None, is_new)
            batch.rows.append(row)
        else:
            row.merge(state, power_w, point is not None)
        last = latest.counter.last
        if last is not None and at < last.at:
            if power_w is not None:
                batch.late_watts.append((latest.meter_id, at))
            if point is not None:
                batch.late_points.append((latest.meter_id, known, point))
        elif point is not None and (last is None or at > last.at):
            _count(batch, latest, row, known, point)
    _note_epoch(batch, latest)


def slack_s(known: Known) -> float:
    """By how many seconds a counter value may be older than its message says."""
    return FRESH_SLACK_S if "energy" in known.fresh else CACHED_SLACK_S


def _count(batch: Batch, latest: Latest, row: Row, known: Known, point: Point) -> None:
    """A value that is newer than all that count."""
    counter, slack = latest.counter, slack_s(known)
    if counter.last and goes_on(counter, point, known.rated_w, slack):  # nearly all do
        _use(batch, latest, Rise(counter.last, point))
        latest.counter = Counter(counter.epoch, point)
        row.counter_wh, row.epoch = point.wh, counter.epoch
    elif not counter.pending or point.at > counter.pending[-1].at:  # an older one cannot speak for or against those
        _note_epoch(batch, latest)
        _follow(batch, latest, advance(counter, point, known.rated_w, slack))


def _follow(batch: Batch, latest: Latest, step: Step) -> None:
    meter_id = latest.meter_id
    latest.counter = step.counter
    for rise in step.rises:
        _use(batch, latest, rise)
    batch.doubts += [(meter_id, point, doubt, expected) for point, doubt, expected in step.doubts]
    batch.counted += [(meter_id, point, epoch) for point, epoch in step.counted]
    if step.counted:
        reason = step.new_epoch or "first"
        batch.epochs.append((meter_id, step.counter.epoch, reason, step.counted[0][0], step.counted[-1][0]))


def _use(batch: Batch, latest: Latest, rise: Rise) -> None:
    if rise.wh:
        latest.energy_wh += rise.wh
        batch.rises.append((latest.meter_id, rise))


def _note_epoch(batch: Batch, latest: Latest) -> None:
    """How far this epoch has come."""
    epoch, last, _ = latest.counter
    if last is not None:
        batch.epochs.append((latest.meter_id, epoch, "first", last, last))


def _write(batch: Batch) -> None:
    earlier = _mark(batch)
    tables.find_known([row for row in batch.rows if row.is_new is None])
    tables.write_readings(batch.rows, also=hours.WIDEN)
    tables.mark_counted(earlier)
    tables.write_epochs(batch.epochs)
    tables.write_doubts(batch.doubts)
    hours.add(batch.rises)


def _mark(batch: Batch) -> list[tuple[int, Point, int]]:
    """Bring the rows up to what counts; returns what counts of earlier batches."""
    if not batch.counted:
        return []
    rows, earlier = {(row.meter_id, row.measured_at): row for row in batch.rows}, []
    for meter_id, point, epoch in batch.counted:
        if row := rows.get((meter_id, point.at)):
            row.counter_wh, row.epoch = point.wh, epoch
        else:
            earlier.append((meter_id, point, epoch))
    return earlier


def _store_late(latest: Latest, known: Known, point: Point) -> None:
    """A counter value older than the newest one: find its place, or keep it in quarantine."""
    meter_id = latest.meter_id
    before, after = tables.neighbours(meter_id, point.at)
    fresh = "energy" in known.fresh
    is_known = before is not None and (before[0].at == point.at or (not fresh and before[0].wh == point.wh))
    if is_known or point in latest.counter.pending:
        return
    if before is None and tables.has_counted_before(meter_id, point.at):
        # What it was to be held against was dropped: its energy counts with the value after it.
        if fresh:
            tables.write_doubts([(meter_id, point, Doubt.LATE, None)])
        return
    if after and not fresh and after[0].wh == point.wh:
        _move_back(latest, after[0], after[1], point)
        return
    late = place_late(point, before, after, known.rated_w, slack_s(known))
    if late.doubt:
        if fresh:  # a cache's repeat is no evidence
            tables.write_doubts([(meter_id, point, Doubt.LATE, before[0].wh if before else None)])
        return
    tables.mark_counted([(meter_id, point, late.epoch)])
    if late.rise:
        latest.energy_wh += late.rise.wh
        tables.write_epochs([(meter_id, late.epoch, "first", point, point)])
    hours.rebuild(meter_id, before[0].at if before else point.at, after[0].at if after else point.at)


def _move_back(latest: Latest, known: Point, epoch: int, earlier: Point) -> None:
    """A cache's value turns out to be older than we knew: what was taken for news was its repeat."""
    meter_id = latest.meter_id
    before, _ = tables.neighbours(meter_id, earlier.at)
    _, after = tables.neighbours(meter_id, known.at)
    tables.move_point(meter_id, epoch, known, earlier)
    if latest.counter.last == known:
        latest.counter = latest.counter._replace(last=earlier)
    hours.rebuild(meter_id, before[0].at if before else earlier.at, after[0].at if after else known.at)

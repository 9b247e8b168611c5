"""Store a batch of reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from django.db import transaction

from meters import partitions
from meters.directory import Known
from meters.readings import hours, tables
from meters.readings.counters import CACHED_SLACK_S, FRESH_SLACK_S, Doubt, Point, Rise, Step, advance, place_late
from meters.readings.latest import Latest, Row, counter_point, is_news, take
from meters.zigbee2mqtt import State


class Report(NamedTuple):
    """A live state of a known meter, measured at `measured_at`.

    `counts` is False where it is not certain which meter spoke: its energy is then left to a later report.
    """

    known: Known
    state: State
    measured_at: datetime
    counts: bool = True

    @property
    def meter_id(self) -> int:
        if self.known.meter_id is None:
            raise ValueError(f"{self.known.ieee_address} is no meter")
        return self.known.meter_id


@dataclass
class Batch:
    """What a batch of reports leads to, before it is written."""

    rows: dict[tuple[int, datetime], Row] = field(default_factory=dict)
    counted: list[tuple[int, Point, int]] = field(default_factory=list)
    rises: list[tuple[int, Rise]] = field(default_factory=list)
    epochs: list[tuple[int, int, str, Point, Point]] = field(default_factory=list)
    doubts: list[tuple[int, Point, str, int | None]] = field(default_factory=list)
    late_points: list[tuple[Report, Point]] = field(default_factory=list)
    late_watts: list[tuple[int, datetime]] = field(default_factory=list)


def store(reports: Sequence[Report]) -> set[int]:
    """Write the reports; returns the ids of the meters that were heard.

    Raises what the database raises, and has then written nothing.
    """
    if not reports:
        return set()
    with transaction.atomic(savepoint=False):
        partitions.ensure_for(report.measured_at for report in reports)
        states = tables.read_states(report.meter_id for report in reports)
        batch = Batch()
        for report in sorted(reports, key=attrgetter("measured_at")):  # stable: equal times keep their order of arrival
            _take(batch, states[report.meter_id], report)
        _write(batch)
        for report, point in batch.late_points:
            _store_late(states[report.meter_id], report, point)
        for meter_id, at in sorted(set(batch.late_watts)):
            hours.rebuild_around(meter_id, at)
        tables.write_states(states.values())
    return set(states)


def _take(batch: Batch, latest: Latest, report: Report) -> None:
    state, at, meter_id = report.state, report.measured_at, report.meter_id
    last = latest.counter.last
    point = counter_point(latest, report.known, state, at) if report.counts else None
    is_new = is_news(latest, at)
    power_w = take(latest, report.known, state, at)
    batch.rows.setdefault((meter_id, at), Row(meter_id, at, is_new=is_new)).merge(state, power_w, point is not None)
    if last is not None and at < last.at and power_w is not None:
        batch.late_watts.append((meter_id, at))
    if point is None:
        return
    if last is not None and at <= last.at:
        if at < last.at:
            batch.late_points.append((report, point))
    elif latest.counter.pending and at <= latest.counter.pending[-1].at:
        pass  # older than values that are not yet believed: it cannot speak for or against them
    else:
        _count(batch, latest, report, advance(latest.counter, point, report.known.rated_w, slack_s(report.known)))


def slack_s(known: Known) -> float:
    """By how many seconds a counter value may be older than its message says."""
    return FRESH_SLACK_S if "energy" in known.fresh else CACHED_SLACK_S


def _count(batch: Batch, latest: Latest, report: Report, step: Step) -> None:
    meter_id = report.meter_id
    latest.counter = step.counter
    latest.energy_wh += sum(rise.wh for rise in step.rises)
    batch.rises += [(meter_id, rise) for rise in step.rises]
    batch.doubts += [(meter_id, point, doubt, expected) for point, doubt, expected in step.doubts]
    batch.counted += [(meter_id, point, epoch) for point, epoch in step.counted]
    if step.counted:
        reason = step.new_epoch or "first"
        batch.epochs.append((meter_id, step.counter.epoch, reason, step.counted[0][0], step.counted[-1][0]))


def _write(batch: Batch) -> None:
    rows = list(batch.rows.values())
    earlier = []
    for meter_id, point, epoch in batch.counted:
        if row := batch.rows.get((meter_id, point.at)):
            row.counter_wh, row.epoch = point.wh, epoch
        else:
            earlier.append((meter_id, point, epoch))
    tables.find_known([row for row in rows if row.is_new is None])
    tables.write_readings(rows)
    tables.mark_counted(earlier)
    tables.write_epochs(batch.epochs)
    tables.write_doubts(batch.doubts)
    hours.widen(rows)
    hours.add(batch.rises)


def _store_late(latest: Latest, report: Report, point: Point) -> None:
    """A counter value older than the newest one: find its place, or keep it in quarantine."""
    meter_id = report.meter_id
    before, after = tables.neighbours(meter_id, point.at)
    fresh = "energy" in report.known.fresh
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
    late = place_late(point, before, after, report.known.rated_w, slack_s(report.known))
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

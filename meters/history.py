"""What a meter's page tells of the past. Reads only. Days are the campsite's: 23, 24 or 25 hours long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from meters import clock, online, usage
from meters.models import Device, Meter, OnlineSpan, Reading, Watch

HOUR = timedelta(hours=1)
READINGS_SHOWN = 20
UNWATCHED = {"", "worker", "never"}
"""Ends of a span after which nobody knew, rather than knew that the meter was gone."""


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of a local day. `energy_wh` None: nothing is known of it, `is_future`: it has not begun."""

    start: datetime
    energy_wh: int | None
    estimated_wh: int
    is_future: bool
    is_repeated: bool
    """Its name is told twice on this day, when summer time ends."""

    @property
    def zone(self) -> str:
        """CEST or CET: Django's own filter says nothing where the two have to be told apart."""
        return self.start.tzname() or ""

    @property
    def end(self) -> datetime:
        return timezone.localtime(self.start.astimezone(UTC) + HOUR)  # added to a local time it would be another hour


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which a meter was `online`, `offline` or nobody knew (`unknown`)."""

    status: online.Status
    since: datetime
    until: datetime
    reason: str | Promise = ""
    is_open: bool = False
    is_before: bool = False
    """Before the meter was online for the first time."""

    @property
    def duration(self) -> timedelta:
        return self.until - self.since


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """When this day of the campsite begins and ends."""
    return clock.moment(day), clock.moment(day + timedelta(days=1))


def hours(meter: Meter, day: date, now: datetime) -> list[Hour]:
    """What the meter used in each hour of a day of the campsite: 23 to 25 of them."""
    start, end = day_bounds(day)
    known = usage.known([meter.pk], start, end).values_list("hour", "energy_wh", "estimated_wh")
    used = {hour: (energy, guess) for hour, energy, guess in known}
    told: list[Hour] = []
    for index in range((end - start) // HOUR):
        begin = start + index * HOUR
        energy_wh, estimated_wh = used.get(begin, (None, 0))
        local = timezone.localtime(begin)
        told.append(Hour(local, energy_wh, estimated_wh, begin > now, False))
    names = [hour.start.hour for hour in told]
    return [replace(hour, is_repeated=names.count(hour.start.hour) > 1) for hour in told]


def last_readings(meter: Meter, now: datetime) -> list[Reading]:
    """The newest reports of the last 24 hours, newest first."""
    recent = Reading.objects.filter(meter=meter, measured_at__gt=now - 24 * HOUR)
    return list(recent.order_by("-measured_at")[:READINGS_SHOWN])


def stretches(meter: Meter, since: datetime, now: datetime) -> list[Stretch]:
    """The time from `since` to now without holes: online, offline with the reason, or unknown."""
    spans = list(
        OnlineSpan.objects.filter(Q(until__gt=since) | Q(until=None), meter=meter, since__lt=now).order_by("since")
    )
    earlier = OnlineSpan.objects.filter(meter=meter, until__lte=since).order_by("-until").first()
    of_its_area = Q(area=None) | Q(area__in=Device.objects.filter(meter=meter).values("area"))
    watches = list(Watch.objects.filter(of_its_area, until__gt=since, since__lt=now).order_by("since"))
    watched_until = max((watch.until for watch in watches), default=since)
    reached = now if now - watched_until < online.WORKER_SILENCE else watched_until
    return list(_unwatched(list(_without_holes(earlier, spans, since, now, reached)), watches))


def _unwatched(told: list[Stretch], watches: list[Watch]) -> Iterator[Stretch]:
    """The same, but nobody knows that a meter was gone while nobody listened."""
    for stretch in told:
        if stretch.status is not online.Status.OFFLINE:
            yield stretch
            continue
        reached = stretch.since
        for watch in watches:
            begin, end = max(watch.since, reached), min(watch.until + online.WORKER_SILENCE, stretch.until)
            if end <= begin:
                continue
            if begin > reached:
                yield _gap("worker", reached, begin)
            yield replace(stretch, since=begin, until=end, is_open=stretch.is_open and end == stretch.until)
            reached = end
        if reached < stretch.until:
            yield replace(_gap("worker", reached, stretch.until), is_open=stretch.is_open)


def _without_holes(
    earlier: OnlineSpan | None, spans: list[OnlineSpan], since: datetime, now: datetime, watched_until: datetime
) -> Iterator[Stretch]:
    reached, ended_by = since, earlier.ended_by if earlier else "never"
    for span in spans:
        begin = max(span.since, reached)
        end = max(begin, min(span.until or watched_until, now))
        if begin > reached:
            yield _gap(ended_by, reached, begin)
        if end > begin:
            yield Stretch(online.Status.ONLINE, begin, end, is_open=span.until is None and end == now)
        reached, ended_by = end, span.ended_by or "worker"
    if reached < now:
        yield replace(_gap(ended_by, reached, now), is_open=True)


def _gap(ended_by: str, since: datetime, until: datetime) -> Stretch:
    if ended_by in UNWATCHED:
        reason = _("nothing was recorded") if ended_by == "never" else _("nobody was listening")
        return Stretch(online.Status.UNKNOWN, since, until, reason, is_before=ended_by == "never")
    return Stretch(online.Status.OFFLINE, since, until, online.REASONS.get(ended_by, ended_by))


def cut(stretches: list[Stretch], since: datetime, until: datetime) -> list[Stretch]:
    """The parts that lie between two moments."""
    inside = [s for s in stretches if s.since < until and s.until > since]
    return [replace(s, since=max(s.since, since), until=min(s.until, until)) for s in inside]


def last_days(count: int, now: datetime) -> list[tuple[date, datetime, datetime]]:
    """The campsite's last days with their bounds, today last."""
    today = timezone.localdate(now)
    days = [today - timedelta(days=back) for back in range(count - 1, -2, -1)]
    return [(day, clock.moment(day), clock.moment(after)) for day, after in pairwise(days)]

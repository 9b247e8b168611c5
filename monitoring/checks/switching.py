"""Whether meters become what is wanted of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Q

from meters import commands, online
from meters.models import AutomaticStop, Command, Want
from monitoring import silence
from monitoring.findings import Fact, Finding, Severity, key

LONG = timedelta(minutes=15)
"""Three attempts at a command take two minutes; a decision that could not be sent for so long is not sent any more."""
NO_CASE = (
    *(Want.Hold.OFFLINE, Want.Hold.OBSERVE, Want.Hold.STOPPED),
    *(Want.Hold.NEVER_CUT, Want.Hold.MANUAL, Want.Hold.ASKED),
)
"""Left alone for a reason that is told elsewhere: a silent meter, the stop; that somebody chose; or its position is not
known."""
LOOKED_BACK = timedelta(hours=1)
FAILING = 0.3
"""Of the commands of an hour; single ones fail on each Zigbee network."""
IN_A_ROW, WITHIN = 3, timedelta(hours=24)
NOT_THE_RADIO = (Command.Failure.UNREAD, Command.Failure.MOVED)
"""It took the command and does not tell its position, or went to another area."""
GOOD, FAILED = Q(status=Command.Status.CONFIRMED), Q(status=Command.Status.FAILED) & ~Q(failure__in=NOT_THE_RADIO)


def off_plan(now: datetime) -> Iterator[Finding]:
    """Online meters whose relay is not as wanted, for longer than it takes to switch them."""
    link = online.link(now)
    open_wants = Want.objects.filter(ended_at=None).values("meter")
    meters = online.meters().select_related("device__area").filter(device__area__in_service=True, pk__in=open_wants)
    heard = {meter.pk: meter for meter in meters if online.status(meter, link, now).is_online}
    for pk, want in commands.in_force(heard, now).items():
        meter, area = heard[pk], heard[pk].device.area
        since = max(want.since, want.hold_at or meter.state.relay_at or want.since)
        is_otherwise = meter.state.relay is not None and meter.state.relay is not want.state
        if not is_otherwise or want.hold in NO_CASE or now - since < LONG or area is None:
            continue
        # Somebody's hand, mostly: he may want it so.
        severity = Severity.NOTICE if want.hold == Want.Hold.UNASKED_OFF else Severity.WARNING
        facts: dict[str, Fact] = {"meter": str(meter.device), "area": area.name}
        part_of = key("commands_fail", area.slug)
        yield Finding("not_on" if want.state else "not_off", severity, meter.device.ieee_address, facts, since, part_of)


def failing_commands(now: datetime) -> Iterator[Finding]:
    """Areas of which a good part of the hour's commands failed."""
    done = Command.objects.filter(area__in_service=True, finished_at__gt=now - LOOKED_BACK)
    by_area = done.values("area__name", "area__slug").order_by("area__slug")
    for each in by_area.annotate(failed=Count("pk", FAILED), all=Count("pk", FAILED | GOOD)):
        if each["failed"] >= silence.MANY and each["failed"] >= FAILING * each["all"]:
            facts: dict[str, Fact] = {"area": each["area__name"], "failed": each["failed"], "of": each["all"]}
            yield Finding("commands_fail", Severity.WARNING, each["area__slug"], facts)


def disobeying(now: datetime) -> Iterator[Finding]:
    """Meters whose last commands all failed, within a day."""
    ended = Command.objects.filter(FAILED | GOOD, area__in_service=True, finished_at__gt=now - WITHIN)
    by_meter: dict[int, list[Command]] = defaultdict(list)
    for command in ended.select_related("meter__device", "area").order_by("-finished_at"):
        by_meter[command.meter_id].append(command)
    for theirs in by_meter.values():
        last, area = theirs[:IN_A_ROW], theirs[0].area
        if len(last) == IN_A_ROW and area and all(each.status == Command.Status.FAILED for each in last):
            device = last[0].meter.device
            facts: dict[str, Fact] = {"meter": str(device), "area": area.name, "times": IN_A_ROW}
            part_of = key("not_on" if last[0].state else "not_off", device.ieee_address)
            yield Finding("disobeys", Severity.WARNING, device.ieee_address, facts, last[-1].finished_at, part_of)


def stopped(now: datetime) -> Iterator[Finding]:
    """Nothing is switched automatically. A person who pressed the button knows; nobody knows of the limit."""
    for stop in AutomaticStop.objects.filter(ended_at=None):
        severity = Severity.NOTICE if stop.cause == AutomaticStop.Cause.PERSON else Severity.WARNING
        yield Finding("stopped", severity, facts={"reason": stop.reason or None}, since=stop.since)

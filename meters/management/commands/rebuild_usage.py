"""`manage.py rebuild_usage`: the use by hour and by day computed anew from the raw readings, and what differs."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import date, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from meters import clock, rollups


class Command(BaseCommand):
    help = (
        "Compute the use by hour and by day anew from the raw readings and tell each difference; none is expected. "
        "Ends with 1 where there are any that are not mended. May run while readings come in."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", dest="first", type=_day, help="first day, by default the oldest that is kept")
        parser.add_argument("--to", dest="last", type=_day, help="last day, by default today")
        parser.add_argument("--write", action="store_true", help="set what differs")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        start, end = _span(options["first"], options["last"], now)
        hours = readings = differences = 0
        for found in rollups.rebuild(start, end, now, mend=options["write"]):
            readings, hours = readings + found.readings, hours + found.hours
            differences += len(found.differences)
            for difference in found.differences:
                self.stdout.write(str(difference))
        left = differences
        if differences and options["write"]:
            left = sum(len(found.differences) for found in rollups.rebuild(start, end, now))
        self.stdout.write(f"{readings} readings, {hours} hours: {differences} differences, {left} left")
        if left:
            raise CommandError("The use is not what the readings tell. See docs/retention.md.")


def _span(first: date | None, last: date | None, now: datetime) -> tuple[datetime, datetime]:
    """From the beginning of the first day to the end of the last one, in full hours of which there are readings."""
    oldest = rollups.oldest_kept(now)
    if first and first < clock.day_of(oldest):
        raise CommandError(f"There are no readings before {clock.day_of(oldest)}.")
    start = max(clock.moment(first), oldest) if first else oldest
    end = clock.moment(last + timedelta(days=1)) if last else now
    if end <= start:
        raise CommandError("The first day must not be after the last one.")
    return start, end


def _day(told: str) -> date:
    try:
        return date.fromisoformat(told)
    except ValueError:
        raise ArgumentTypeError(f"no day like 2026-07-31: {told}") from None

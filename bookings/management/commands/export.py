"""Takes what was measured out of here: `manage.py export meter "101,2" --format parquet --out FILE`."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.utils import timezone, translation

from bookings import stay_exports
from bookings.models import Stay
from meters import exports
from meters.exports import What
from meters.files import whole
from meters.files.answers import Format
from meters.files.tables import Table
from meters.models import Meter

LEDGER = "ledger"
KINDS = {"stay": (What.READINGS, LEDGER), "meter": tuple(What), "month": (What.HOURS, What.DAYS, LEDGER)}
"""What there is of each; the first is meant where nothing is said."""


class Command(BaseCommand):
    help = (
        "Writes a stay's readings or ledger, a meter's readings, hours or days, or a month of the campsite (hours or "
        "days of all meters, or the ledger) into a file: whole, or not at all."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("of", choices=sorted(KINDS))
        parser.add_argument("which", help="a stay's number, a meter's name or IEEE address, a month like 2026-07")
        parser.add_argument("--what", choices=[*What, LEDGER], help="usually readings; of a month hours")
        parser.add_argument("--from", type=date.fromisoformat, help="of a meter: the first day; usually 90 days ago")
        parser.add_argument("--to", type=date.fromisoformat, help="of a meter: the last day; usually today")
        parser.add_argument("--format", type=Format, choices=list(Format), default=Format.CSV)
        parser.add_argument("--language", default=settings.LANGUAGE_CODE, choices=dict(settings.LANGUAGES))
        parser.add_argument("--out", type=Path, required=True, help="the file; one of that name is replaced")

    def handle(self, *args: Any, **options: Any) -> None:
        of, what = options["of"], options["what"] or KINDS[options["of"]][0]
        if what not in KINDS[of]:
            raise CommandError(f"Of a {of} there is only: {', '.join(KINDS[of])}.")
        table = getattr(self, f"_{of}")(options["which"], what, options)
        with translation.override(options["language"]):
            parts = options["format"].parts(table)
        try:
            size = whole.write(options["out"], parts)
        except OSError as error:
            raise CommandError(f"Nothing was written to {options['out']}: {error.strerror}") from error
        self.stdout.write(f"{options['out']}: {size} bytes")

    def _stay(self, which: str, what: str, options: dict[str, Any]) -> Table:
        found = Stay.objects.select_related("booking").filter(pk=which) if which.isdecimal() else Stay.objects.none()
        stay = found.first()
        if stay is None:
            raise CommandError(f"There is no stay {which}.")
        if what == LEDGER:
            return stay_exports.of_stay(stay)
        self._tell_since(stay_exports.lacks_readings(stay))
        return stay_exports.readings(stay)

    def _meter(self, which: str, what: str, options: dict[str, Any]) -> Table:
        named = Q(device__friendly_name=which) | Q(device__ieee_address=which)
        found = list(Meter.objects.select_related("device").filter(named))
        if len(found) != 1:
            addresses = ", ".join(meter.device.ieee_address for meter in found)
            raise CommandError(f"So are called several: {addresses}" if found else f"No meter is called {which}.")
        last = options["to"] or timezone.localdate()
        first = options["from"] or last - timedelta(days=settings.READINGS_KEPT_DAYS)
        if first > last:
            raise CommandError("The first day must not be after the last one.")
        self._tell_since(exports.lacks_readings(first) if what == What.READINGS else None)
        return exports.of_meter(found[0], What(what), first, last)

    def _month(self, which: str, what: str, options: dict[str, Any]) -> Table:
        if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", which):
            raise CommandError(f"This is no month like 2026-07: {which}")
        first, last = exports.month(date.fromisoformat(f"{which}-01"))
        return stay_exports.of_days(first, last) if what == LEDGER else exports.of_all(What(what), first, last)

    def _tell_since(self, since: date | None) -> None:
        if since:
            self.stderr.write(f"There are raw readings from {since} on; of days before, hours and days.")

"""Brings over the former system: `manage.py import_legacy --exported 2026-03-01T14:00 --by NAME FILE … [--apply]`."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from auditlog.context import set_actor
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone, translation

from bookings.legacy import bring, customers
from bookings.legacy.customers import Guests
from meters import clock
from meters.legacy import columns, found, metering, places
from meters.legacy.columns import BadColumn, NoTable
from meters.legacy.found import Found
from meters.legacy.records import Read, records
from meters.legacy.report import Report, What

OF_PEOPLE = 40
"""Lines of what was made or left alone that are shown of each kind; --all shows them all. Questions always are."""


class NothingDone(Exception):
    """A dry run is taken back."""


class Command(BaseCommand):
    help = (
        "Shows what the former system's exports (CSV, or pg_dump's plain SQL) would become here; with --apply it is "
        "done, all or nothing. What is here already is never changed, and a second run changes nothing. "
        "See docs/legacy.md."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="a file, or TABLE=FILE for a CSV of another name")
        parser.add_argument("--exported", required=True, help="when it was exported, by the campsite's clock")
        parser.add_argument("--by", required=True, help="who does it: your name in the administration")
        parser.add_argument("--apply", action="store_true", help="do it; without it nothing is changed")
        parser.add_argument("--utc", action="store_true", help="times that tell no zone are UTC, not the campsite's")
        parser.add_argument("--column", action="append", default=[], metavar="TABLE.THEIRS=OURS")
        parser.add_argument("--all", action="store_true", help="show every line of the report")

    def handle(self, *args: Any, **options: Any) -> None:
        now, by = timezone.now(), _person(options["by"])
        exported_at = _moment(options["exported"], now)
        read, gathered = self._read(options)
        report = Report()
        try:
            with translation.override("en"), transaction.atomic(), set_actor(by):
                guests = customers.gather(gathered.others, _zone(options["utc"]), read)
                _bring(gathered, guests, exported_at, now, by, report)
                if not options["apply"]:
                    raise NothingDone
        except NothingDone:
            pass
        self._show_files(read)
        if gathered.naive:
            zone = "UTC" if options["utc"] else "the campsite's"
            self.stdout.write(f"{gathered.naive} times tell no zone: they were taken for {zone}")
        self._show(read, report, options["all"])
        self.stdout.write("Done." if options["apply"] else "Nothing was changed: that needs --apply.")

    def _read(self, options: dict[str, Any]) -> tuple[Read, Found]:
        read, gathered = Read(), Found()
        zone = _zone(options["utc"])
        try:
            extra = columns.further(options["column"])
            for table, path in map(_file, options["files"]):
                found.gather(records(path, table, extra, read), zone, read, gathered)
        except (BadColumn, NoTable, OSError) as why:
            raise CommandError(str(why)) from why
        return read, gathered

    def _show(self, read: Read, report: Report, every_line: bool) -> None:
        for what in What:
            self._head(f"What {what}")
            shown: dict[str, int] = {}
            for entry in report.of(what):
                shown[entry.kind] = shown.get(entry.kind, 0) + 1
                if every_line or what is What.OPEN or shown[entry.kind] <= OF_PEOPLE:
                    self.stdout.write(str(entry))
            for kind, number in shown.items():
                if not every_line and what is not What.OPEN and number > OF_PEOPLE:
                    self.stdout.write(f"{kind}: {number - OF_PEOPLE} more lines (--all shows them)")
        self._head("In all")
        for kind, counts in report.counts().items():
            self.stdout.write(f"{kind}: " + ", ".join(f"{counts[what]} {what}" for what in What))
        self.stdout.write(f"rows that cannot be read: {sum(read.bad_rows.values())}")

    def _show_files(self, read: Read) -> None:
        self._head("What was read")
        for table, number in read.rows.items():
            used = ", ".join(f"{theirs} → {ours}" for ours, theirs in read.mapped[table].items())
            self.stdout.write(f"{table}: {number} rows; {used}")
            if unknown := sorted(read.unknown[table]):
                self.stdout.write(f"    columns that nobody knows: {', '.join(unknown)}")
        for table, number in sorted(read.ignored.items()):
            self.stdout.write(f"{table}: {number} rows, not needed")
        for where, why in read.bad:
            self.stdout.write(f"{where}: {why}")
        for why, number in read.bad_rows.items():
            self.stdout.write(f"{number} rows are left out: {why}")

    def _head(self, text: str) -> None:
        self.stdout.write(f"\n{text}\n{'-' * len(text)}")


def _bring(gathered: Found, guests: Guests, exported_at: datetime, now: datetime, by: User, report: Report) -> None:
    """Everything, in the order in which one thing needs the other."""
    gathered.pitches += customers.pitches(guests, clock.day_of(exported_at))
    areas = places.areas(gathered, report)
    pitches = places.pitches(gathered, report)
    brought = metering.meters(gathered, areas, report, now)
    metering.hang(gathered, brought, pitches, exported_at, by, report)
    metering.start(gathered, brought, exported_at, now, by, report)
    bring.bookings(guests, exported_at, now, by, report)
    bring.outlets(guests, brought, gathered.tallies, exported_at, by, report)
    bring.packages(guests, by, report)


def _zone(is_utc: bool) -> tzinfo:
    return UTC if is_utc else timezone.get_default_timezone()


def _file(text: str) -> tuple[str | None, Path]:
    table, sign, path = text.partition("=")
    if not sign:
        return None, Path(text)
    if named := columns.named(table):
        return named, Path(path)
    raise CommandError(f"{table} is no table that is read: see docs/legacy.md")


def _person(name: str) -> User:
    if user := User.objects.filter(username=name, is_active=True).first():
        return user
    raise CommandError(f"There is no user {name}.")


def _moment(text: str, now: datetime) -> datetime:
    told = clock.typed(text)
    if told is None:
        raise CommandError("--exported must be like 2026-07-31T14:00")
    if told > now:
        raise CommandError("The export cannot have been made in the future.")
    return told

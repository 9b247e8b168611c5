"""Brings a backup back into an empty database: `manage.py restore --from TARGET [--at TIME] [--dry-run]`."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from meters import clock
from monitoring.backup import BackupError, fetching, restore, targets, words
from monitoring.backup.manifest import Kind, Manifest, Part
from monitoring.backup.progress import Bar
from monitoring.backup.restore import Outcome
from monitoring.backup.targets import Target

SLOWER = 4
"""So much longer than reading a dump into nowhere it took PostgreSQL to take it in, when we measured."""
WHERE: dict[Kind, str | Promise] = {
    Kind.ZIGBEE2MQTT: _("unpack it into the data folder of that Zigbee2MQTT while it is stopped, then start it"),
    Kind.FOLDER: _("unpack it where that folder was (tar -xzf), while what uses it is stopped"),
}
NEXT = _("""Everything automatic is stopped, and everybody is logged out. What to do now, in this order:
  1. Start the MQTT worker and the web pages, not yet the background jobs, and log in with the password of that time.
  2. Sirvoy: export the bookings, and bring them in: manage.py sirvoy_import FILE --exported WHEN, then with --apply.
     It checks nobody out: check out by hand, on reception's page, who has left since %(moment)s.
  3. Charges, packages and corrections that were made since then are missing: enter them again, by what is in Sirvoy.
     Users, links and tokens that were made since then are gone; those that were revoked since then work again.
  4. Look at the live board: is what is on and off as it should be?
  5. Start the background jobs. Lift the stop, on the page "Stop everything automatic". Make a backup.
docs/disaster-recovery.md tells it all.""")


class Command(BaseCommand):
    help = "Brings a backup back into an empty database. Nothing that is in use is ever overwritten."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", dest="target", required=True, help="a name in BACKUP_TARGETS")
        parser.add_argument("--at", help="the newest of this time or before, by the campsite's clock: 2026-07-31T14:00")
        parser.add_argument(
            "--into", type=Path, help="a folder for what people put in place themselves; default: in BACKUP_WORK"
        )
        parser.add_argument("--files", action="store_true", help="only what is not the database, which is not touched")
        parser.add_argument("--only", metavar="NAME", default="", help="as --files, of this area or folder alone")
        parser.add_argument("--dry-run", action="store_true", help="fetch, verify, open and read it; change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        at = _moment(options["at"]) if options["at"] else None
        bar = Bar(sys.stderr)
        try:
            with closing(targets.named(options["target"])) as target:
                self._handle(target, at, bar, options)
        except BackupError as error:
            bar.end()
            raise CommandError(str(error)) from error

    def _handle(self, target: Target, at: datetime | None, bar: Bar, options: dict[str, Any]) -> None:
        manifest = fetching.choose(target, at)
        self._introduce(target, manifest)
        into = options["into"] or Path(settings.BACKUP_WORK) / f"restored-{manifest.folder}"
        if options["dry_run"]:
            self._rehearse(target, manifest, bar)
        elif options["files"] or options["only"]:
            files = restore.open_files(target, manifest, into, bar, options["only"])
            bar.end()
            self._tell_where(files)
        else:
            outcome = restore.run(target, manifest, into, bar)
            bar.end()
            self._conclude(outcome)

    def _introduce(self, target: Target, manifest: Manifest) -> None:
        for folder, why in fetching.unusable_since(target, manifest):
            later = gettext("%(folder)s is later, but cannot be used: %(why)s.")
            self.stdout.write(later % {"folder": folder, "why": why})
        text = gettext(
            "The backup of %(moment)s on %(target)s: %(size)s, rows %(rows)s, PostgreSQL %(postgres)s, "
            "version %(version)s"
        )
        told = {"moment": _local(manifest.made_at), "target": target.name, "size": filesizeformat(manifest.size)}
        rows = words.figure(sum(manifest.rows.values()))
        self.stdout.write(text % (told | {"rows": rows, "postgres": manifest.postgres, "version": manifest.software}))
        for missing in manifest.missing:
            part = {"part": words.part(missing.kind, missing.name), "why": missing.why}
            self.stdout.write(gettext("  %(part)s is not in it: %(why)s") % part)

    def _rehearse(self, target: Target, manifest: Manifest, bar: Bar) -> None:
        begun = time.monotonic()
        restore.rehearse(target, manifest, bar)
        bar.end()
        took_s = time.monotonic() - begun
        self.stdout.write(gettext("It is whole, and can be opened and read. Nothing was changed."))
        restore.check(manifest)
        others = len(manifest.parts) - len(fetching.of_kind(manifest, Kind.DATABASE))
        text = gettext(
            "Without --dry-run the database is filled, the stop is pressed, and what else is in it (%(others)d) is "
            "written for you to put in place. This took %(seconds)d s; that will take about %(minutes)d min."
        )
        minutes = max(1, round(took_s * SLOWER / 60))
        self.stdout.write(text % {"others": others, "seconds": round(took_s), "minutes": minutes})

    def _conclude(self, outcome: Outcome) -> None:
        for line in words.ledger_lines(outcome.ledger):
            self.stdout.write(line)
        for table, told, found in outcome.differing:
            text = gettext("  table %(table)s: rows %(found)s, but %(told)s in the manifest")
            self.stdout.write(text % {"table": table, "found": found, "told": told})
        if forward := len(outcome.forward):
            self.stdout.write(gettext("  Migrations that brought it forward to this software: %s") % forward)
        self._tell_where(outcome.files)
        self.stdout.write("\n" + NEXT % {"moment": _local(outcome.manifest.made_at)})
        if not outcome.is_the_same:
            raise CommandError(
                gettext("It was restored, but is not what the manifest tells: see above. Do not lift the stop.")
            )
        self.stdout.write(gettext("The database is as it was, the ledger to the watt-hour."))

    def _tell_where(self, files: list[tuple[Part, Path]]) -> None:
        for part, path in files:
            self.stdout.write(f"{path}: {WHERE[part.kind]}")
        if files:
            text = gettext("These hold network keys and passwords, and only you can read them: remove them in the end.")
            self.stdout.write(text)


def _local(moment: datetime) -> str:
    return timezone.localtime(moment, timezone.get_default_timezone()).strftime("%Y-%m-%d %H:%M")


def _moment(text: str) -> datetime:
    if told := clock.typed(text):
        return told
    raise CommandError(gettext("--at must be like 2026-07-31T14:00"))

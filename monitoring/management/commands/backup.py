"""Make a backup now, and say what became of it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from monitoring.backup import BackupError, runs
from monitoring.models import BackupRun, Origin


class Command(BaseCommand):
    help = "Back up database, Zigbee2MQTTs and folders to each of BACKUP_TARGETS, encrypted for BACKUP_RECIPIENTS."
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        try:
            made = runs.run(Origin.COMMAND, say=self.stdout.write)
        except BackupError as failure:
            raise CommandError(str(failure)) from None
        self._tell(made)

    def _tell(self, made: BackupRun) -> None:
        for copy in made.copies.all():
            told = f"{copy.target}: {copy.get_status_display()} {filesizeformat(copy.bytes)} {copy.error}"
            self.stdout.write(told.strip())
        for missing in (made.manifest or {}).get("missing", []):
            self.stdout.write(f"- {missing['name']}: {missing['why']}")
        for part in (made.manifest or {}).get("parts", []):
            for warning in part["warnings"]:
                self.stdout.write(f"- {part['name']}: {warning}")
        if made.status in (BackupRun.Status.FAILED, BackupRun.Status.INCOMPLETE):
            raise CommandError(f"{made.get_status_display()} {made.error}".strip())
        self.stdout.write(f"{made.get_status_display()}: {made.started_at:%Y%m%dT%H%M%SZ}")

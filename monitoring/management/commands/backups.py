"""What lies on each target, asked there and now: what our own tables say of it is not looked at."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext

from monitoring.backup import BackupError, targets
from monitoring.backup.targets import NotWhole, Target


class Command(BaseCommand):
    help = "List the backups on each target of BACKUP_TARGETS. What is not whole is none, and said to be none."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("target", nargs="?", help="only this one")

    def handle(self, *, target: str | None, **options: Any) -> None:
        try:
            asked = [targets.named(target)] if target else targets.all()
        except BackupError as failure:
            raise CommandError(str(failure)) from None
        if not asked:
            raise CommandError(gettext("There is no target: BACKUP_TARGETS is not set."))
        unanswered = [each.name for each in asked if not self._list(each)]
        if unanswered:
            raise CommandError(gettext("What lies there is not known: %s") % ", ".join(unanswered))

    def _list(self, target: Target) -> bool:
        """Whether it could be asked."""
        self.stdout.write(f"{target.name}  {target.where}")
        try:
            folders = target.folders()
            for folder in folders:
                self.stdout.write(f"  {folder}  {_what(target, folder)}")
            if not folders:
                self.stdout.write("  " + gettext("no backup yet"))
        except BackupError as failure:
            self.stderr.write(f"  {failure}")
            return False
        finally:
            target.close()
        return True


def _what(target: Target, folder: str) -> str:
    try:
        told = target.look(folder)
    except NotWhole as why:
        return gettext("not whole: no backup: %(why)s") % {"why": why}
    size = filesizeformat(told.size)
    if not told.missing:
        return size
    return gettext("%(size)s, without %(names)s") % {
        "size": size,
        "names": ", ".join(each.name for each in told.missing),
    }

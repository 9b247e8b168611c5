"""Makes the groups of staff hold what the code declares, and says what it put right."""

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from campsite import groups


class Command(BaseCommand):
    help = "Makes each group of staff hold what docs/roles.md says of it. Each migrate does so, too."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 where something is wrong")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            found = [wrong for name in groups.GROUPS if (wrong := groups.wrong(name))]
            self._tell(found)
            if found:
                raise SystemExit(1)
            return
        with transaction.atomic():
            found = list(groups.put_right())
        self._tell(found)

    def _tell(self, found: Iterable[groups.Wrong]) -> None:
        for group, missing, beyond in found:
            for word in missing:
                self.stdout.write(f"{group}: lacked {word}")
            for word in beyond:
                self.stdout.write(f"{group}: held {word}, which is not declared")
        if not found:
            self.stdout.write("Each group holds what is declared.")

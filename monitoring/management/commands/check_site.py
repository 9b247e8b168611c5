"""Looks over the whole site once, and tells what is wrong."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from monitoring import checks, runbook, words
from monitoring.findings import Finding, Severity


class Command(BaseCommand):
    help = "Tells what is wrong at the moment. Exit code: 0 all is well, 1 warnings, 2 something critical."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs: all, with what each is part of")
        parser.add_argument("--all", action="store_true", help="also what another finding explains")

    def handle(self, *args: Any, **options: Any) -> None:
        found = checks.run(timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps([_told(finding) for finding in found], indent=1))
        else:
            self._tell(found, is_whole=options["all"])
        severities = {finding.severity for finding in found}
        if Severity.CRITICAL in severities:
            raise SystemExit(2)
        if Severity.WARNING in severities:
            raise SystemExit(1)

    def _tell(self, found: list[Finding], *, is_whole: bool) -> None:
        """For people: what another finding explains is counted, not listed."""
        keys = {finding.key for finding in found}
        told = [finding for finding in found if is_whole or finding.part_of not in keys]
        for finding in told:
            self.stdout.write(f"{finding.severity.label}: {words.what(finding.code, finding.facts)}")
            self.stdout.write(f"    {words.todo(finding.code, finding.facts)}")
            self.stdout.write(f"    {runbook.place(finding.code)}")
        if explained := len(found) - len(told):
            text = ngettext(
                "%(count)d more is explained by these: --all lists it.",
                "%(count)d more are explained by these: --all lists them.",
                explained,
            )
            self.stdout.write(text % {"count": explained})
        if not found:
            self.stdout.write(gettext("All is well."))


def _told(finding: Finding) -> dict[str, Any]:
    return {
        "key": finding.key,
        "code": finding.code,
        "about": finding.about,
        "severity": finding.severity.value,
        "since": finding.since.isoformat() if finding.since else None,
        "part_of": finding.part_of or None,
        "facts": dict(finding.facts),
        "text": words.what(finding.code, finding.facts),
        "todo": words.todo(finding.code, finding.facts),
        "runbook": runbook.place(finding.code),
    }

"""Makes an address for Sirvoy's webhook and prints it, this once: `manage.py sirvoy_token "Sirvoy, from May"`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bookings import site, tokens

UNKNOWN_SITE = (
    f"This site does not know its own address yet. In the line above, put it in the place of {site.PLACEHOLDER}; and "
    "set SITE_URL=https://power.example.com (with your name) in the environment, so that guests' links have it, too."
)


class Command(BaseCommand):
    help = "Makes an address for Sirvoy's webhook and prints it, this once. Two may be valid at the same time."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", default="Sirvoy", help="where it is used, for the list in the admin")
        parser.add_argument("--site", default="", help="the beginning of the address, where it is not SITE_URL")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            _made, secret = tokens.make(options["name"], None)
        except tokens.TooMany as error:
            raise CommandError(str(error)) from error
        path = tokens.path(secret)
        self.stdout.write(options["site"].rstrip("/") + path if options["site"] else site.absolute(path))
        if not options["site"] and not settings.SITE_URL:
            self.stderr.write(self.style.WARNING(UNKNOWN_SITE))

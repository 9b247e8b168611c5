"""Makes an address for Sirvoy's webhook and prints it, this once: `manage.py sirvoy_token "Sirvoy, from May"`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings import tokens


class Command(BaseCommand):
    help = "Makes an address for Sirvoy's webhook and prints it, this once. Two may be valid at the same time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", default="Sirvoy", help="where it is used, for the list in the admin")
        parser.add_argument(
            "--site", default="", help="the beginning of the address, such as https://power.example.com"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            _made, secret = tokens.make(options["name"], None)
        except tokens.TooMany as error:
            raise CommandError(str(error)) from error
        self.stdout.write(options["site"].rstrip("/") + tokens.path(secret))

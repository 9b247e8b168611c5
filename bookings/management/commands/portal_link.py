"""Makes new links to a guest's page and prints them, this once: `manage.py portal_link 47101`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from bookings import links, site
from bookings.models import Stay


class Command(BaseCommand):
    help = "Makes a new link to the page of each stay of a booking and prints it, this once."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("booking", type=int, help="the booking's number in Sirvoy")
        parser.add_argument("--revoke", action="store_true", help="older links of the booking lead nowhere any more")
        parser.add_argument("--site", default="", help="the beginning of the address, where it is not SITE_URL")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        of_booking = Stay.objects.filter(booking__sirvoy_id=options["booking"], position__isnull=False)
        stays = list(of_booking.select_related("pitch").order_by("position"))
        if not stays:
            raise CommandError(f"There is no booking {options['booking']}, or it has no stay.")
        for stay in stays:
            if options["revoke"]:
                links.revoke_all(stay, None, now)
            path = links.path(links.make(stay, None))
            address = options["site"].rstrip("/") + path if options["site"] else site.absolute(path)
            self.stdout.write(f"{stay.pitch or '?'}\t{address}")
            if not links.is_open(stay, now):
                self.stderr.write(self.style.WARNING(f"The page of {stay.pitch or '?'} is not open now."))
        if not options["site"] and not settings.SITE_URL:
            self.stderr.write(self.style.WARNING(f"Put this site's address in the place of {site.PLACEHOLDER}."))

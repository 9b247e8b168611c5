"""What django-q2 runs for this app: each a line, may run late or twice."""

from django.utils import timezone

from bookings import accounts, inbox, mail, privacy, stays, welcome
from bookings.power import follow


def sweep_inbox() -> None:
    inbox.sweep(timezone.now())


def watch_packages() -> None:
    accounts.watch_packages(timezone.now())
    mail.tell_guests(timezone.now())


def greet_guests() -> None:
    welcome.greet(timezone.now())


def erase_departed_guests() -> None:
    privacy.erase_due(timezone.now())


def apply_power() -> None:
    follow.apply(None, timezone.now())


def advance_stays() -> None:
    stays.advance(timezone.now())


def compare_stays() -> None:
    stays.compare(timezone.now())

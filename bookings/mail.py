"""Mail to guests: that their package is nearly, or wholly, used up; and how any mail leaves. bookings/welcome.py mails
links; nothing else is mailed.

Rows first, mail afterwards: which guests are to be told stands in PackageNotice; a mail that failed is tried again, and
reception sees who was not reached. A mail is never sent from within a transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from smtplib import SMTPException
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.db import connection
from django.template.loader import render_to_string
from django.utils import formats, timezone, translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from bookings import accounts, languages
from bookings.hours import opening
from bookings.models import Guest, PackageNotice, Stay
from meters import commands

logger = logging.getLogger(__name__)
RETRY = timedelta(minutes=15)
AT_ONCE = 50
"""Mails of one run: the next follows in a minute."""
_LOCK = 4_711_004


class State(StrEnum):
    """Whether mail is sent; staff tell guests themselves where it is not."""

    READY = "ready"
    CONSOLE = "console"
    DISABLED = "disabled"

    @property
    def words(self) -> Any:
        return _WORDS[self]


_WORDS = {
    State.READY: _("Mail is sent to guests."),
    State.CONSOLE: _("Mail is only printed by the server, not sent: EMAIL_URL names the console."),
    State.DISABLED: _("No mail is sent: EMAIL_URL is not set. Reception tells guests itself."),
}


def state() -> State:
    """Whether mail leaves this installation."""
    if settings.EMAIL_BACKEND.endswith("dummy.EmailBackend"):
        return State.DISABLED
    return State.CONSOLE if settings.EMAIL_BACKEND.endswith("console.EmailBackend") else State.READY


def language_of(guest: Guest) -> str:
    """The guest's language; English where he is known to speak none of ours."""
    return languages.of_guest(guest) or "en"


def tell_guests(now: datetime) -> int:
    """Mail the guests whose notices nobody has told them; returns how many were reached. May run twice at once: one
    waits for nobody and does nothing.

    While everything automatic is stopped they wait: such a mail says when power will be cut, and it will not be; and
    after a restore the bookings may be those of yesterday's guests.
    """
    if state() is not State.READY or commands.stop.current():  # what only the server prints has told nobody
        return 0
    with alone() as is_alone:
        if not is_alone:
            return 0
        due = [each for each in accounts.untold(now) if each.tried_at is None or each.tried_at <= now - RETRY]
        return sum(_send(notice, now) for notice in due[:AT_ONCE])


def message(notice: PackageNotice, now: datetime) -> EmailMultiAlternatives:
    """The mail in the guest's language, as plain text and as HTML."""
    guest = notice.booking.guest
    with translation.override(language_of(guest)), timezone.override(timezone.get_default_timezone()):
        return compose("package", guest, _package(notice, now))


def compose(kind: str, guest: Guest, told: dict[str, Any]) -> EmailMultiAlternatives:
    """The mail of this kind of templates in the active language, as plain text and as HTML."""
    told = {"language": translation.get_language(), "name": str(guest), "site": settings.SITE_NAME} | told
    told["subject"] = f"{settings.SITE_NAME}: {render_to_string(f'email/{kind}_subject.txt', told).strip()}"
    made = EmailMultiAlternatives(told["subject"], render_to_string(f"email/{kind}.txt", told), to=[guest.email])
    made.attach_alternative(render_to_string(f"email/{kind}.html", told), "text/html")
    made.extra_headers["Auto-Submitted"] = "auto-generated"
    return made


@contextmanager
def alone() -> Iterator[bool]:
    """Whether nobody else sends mail now. A lock of this connection: mail is sent outside of any transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        is_alone = bool(cursor.fetchone()[0])
    try:
        yield is_alone
    finally:
        if is_alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def unreachable(guest: Guest | None) -> str:
    """Why this guest cannot be mailed, for staff; "" where he can."""
    if guest is None or not guest.email:
        return gettext("no e-mail address")
    try:
        validate_email(guest.email)
    except ValidationError:
        return gettext("the e-mail address is none")
    return ""


def deliver(made: EmailMultiAlternatives, name: str) -> str:
    """Hand a mail to the mail server; returns why that failed, for staff, or "". `name`: how the log calls it."""
    try:
        made.send()
    except (SMTPException, OSError, ValueError) as failed:  # ValueError: an address that no mail can be sent to
        logger.warning("%s was not mailed: %s", name, type(failed).__name__)
        return gettext("the mail server: %(error)s") % {"error": type(failed).__name__}
    return ""


# --- inside ----------------------------------------------------------------------------------------------------------


def _send(notice: PackageNotice, now: datetime) -> bool:
    error = unreachable(Guest.objects.filter(booking=notice.booking_id).first())
    error = error or deliver(message(notice, now), f"notice {notice.pk}")
    if error:
        accounts.mail_failed(notice, error, now)
        return False
    return accounts.told(notice, None, now)


def _package(notice: PackageNotice, now: datetime) -> dict[str, Any]:
    bill = accounts.bill([notice.booking_id])[notice.booking_id]
    is_empty = notice.level == PackageNotice.Level.EMPTY
    return {
        "is_empty": is_empty,
        "pitches": ", ".join(_pitches(notice.booking_id)),
        "bought": _number(bill.packages_kwh + bill.included_kwh),
        "used": _number(bill.used_kwh),
        "moment": _moment(bill.as_of) if bill.as_of else "",
        "left": _number(bill.left_kwh or Decimal(0)),
        "cuts": bill.may_cut,
        "cut_at": _moment(opening(now + bill.grace)) if bill.may_cut and is_empty else "",
        "price": formats.number_format(bill.price, 2),
        "currency": settings.CURRENCY,
    }


def _pitches(booking_id: int) -> Sequence[str]:
    here = Stay.objects.filter(booking=booking_id, status=Stay.Status.IN_HOUSE, pitch__isnull=False)
    return sorted(set(here.values_list("pitch__number", flat=True)))


def _moment(at: datetime) -> str:
    return formats.date_format(timezone.localtime(at), "SHORT_DATETIME_FORMAT")


def _number(kwh: Decimal) -> str:
    return formats.number_format(kwh, 1)

"""The link to his page, mailed to each guest who has checked in, once a stay and in his language. The only module that
writes LinkMail.

Rows first, mail afterwards. The link is made as the mail goes out; what failed is tried again, for a day.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils import translation

from bookings import links, mail, site
from bookings.models import Guest, LinkMail, Stay

KEPT_TRYING = timedelta(days=1)
"""Who has been here for longer has found his page, or does not miss it."""


def greet(now: datetime) -> int:
    """Mail their links to those who came since yesterday and have not got theirs; returns how many were reached. May
    run twice at once: one waits for nobody and does nothing.

    Nothing is mailed where mail is not set up, PORTAL_MAIL is off, or the site does not know its own address.
    """
    if mail.state() is not mail.State.READY or not settings.PORTAL_MAIL or not settings.SITE_URL:
        return 0
    with mail.alone() as is_alone:
        if not is_alone:
            return 0
        _note(now)
        return sum(_send(row, now) for row in _due(now))


def message(stay: Stay, guest: Guest, address: str) -> EmailMultiAlternatives:
    """The mail with this address of the page, as plain text and as HTML."""
    with translation.override(mail.language_of(guest)):
        return mail.compose("link", guest, {"pitch": stay.pitch, "address": address})


# --- inside ----------------------------------------------------------------------------------------------------------


def _note(now: datetime) -> None:
    """A row for each who came since yesterday and told an address."""
    came = Stay.objects.filter(status=Stay.Status.IN_HOUSE, noted_at__gt=now - KEPT_TRYING, link_mail=None)
    came = came.filter(position__isnull=False).exclude(booking__guest=None).exclude(booking__guest__email="")
    rows = [LinkMail(stay=stay, made_at=now) for stay in came]
    LinkMail.objects.bulk_create(rows, ignore_conflicts=True)


def _due(now: datetime) -> list[LinkMail]:
    waiting = LinkMail.objects.filter(
        sent_at=None,
        made_at__gt=now - KEPT_TRYING,
        stay__status=Stay.Status.IN_HOUSE,
        stay__booking__guest__isnull=False,
    )
    rows = waiting.select_related("stay__booking__guest", "stay__pitch").order_by("pk")
    return [row for row in rows if row.tried_at is None or row.tried_at <= now - mail.RETRY][: mail.AT_ONCE]


def _send(row: LinkMail, now: datetime) -> bool:
    guest = row.stay.booking.guest
    row.error = mail.unreachable(guest)
    if not row.error:
        address = site.absolute(links.path(links.make(row.stay, None)))
        row.error = mail.deliver(message(row.stay, guest, address), f"link mail {row.pk}")
    row.tried_at = now
    row.sent_at = None if row.error else now
    row.save(update_fields=["error", "tried_at", "sent_at"])
    return not row.error

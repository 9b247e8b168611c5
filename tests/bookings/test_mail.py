"""Mail to guests whose package runs low: in their language, never twice, and staff see who was not reached."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from smtplib import SMTPServerDisconnected

import pytest
from django.core import mail as outbox
from django.core.mail.backends.base import BaseEmailBackend

from bookings import accounts, mail
from bookings.models import Guest, Mode, PackageNotice
from meters import commands
from tests import make

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 7, 12, 10, tzinfo=UTC)


class Broken(BaseEmailBackend):
    """A mail server that is away."""

    def send_messages(self, email_messages):
        raise SMTPServerDisconnected("who knows what: Anna")


def notice(used: str = "50", guest: dict | None = None, **tariff) -> PackageNotice:
    """Of a guest who bought 50 kWh."""
    make.tariff(**{"mode": Mode.PACKAGE, "price": Decimal("4.50"), "low_kwh": Decimal(5)} | tariff)
    item = {"description": "Elpakke", "quantity": "1", "price": None, "total": None, "kwh": "50"}
    booking = make.booking(items=[item])
    make.used(make.stay(make.pitch("F44"), booking=booking), used)
    if guest is not None:
        make.guest(booking, **guest)
    accounts.watch_packages(NOW)
    return PackageNotice.objects.get()


def texts() -> tuple[str, str]:
    """The only mail's plain text and HTML."""
    (sent,) = outbox.outbox
    return sent.body, sent.alternatives[0].content


def test_a_guest_whose_package_is_used_up_is_told_by_mail_once():
    told = notice(guest={"language": "en"}, cut_when_empty=True, grace_h=12)
    assert [mail.tell_guests(NOW), mail.tell_guests(NOW)] == [1, 0]
    told.refresh_from_db()
    assert (told.told_at, told.how) == (NOW, PackageNotice.How.MAIL)
    plain, html = texts()
    for text in (plain, html):
        assert "Anna Müller" in text
        assert "F44" in text
        assert "50.0 kWh" in text
        assert "switch off" in text
        assert "07/13/2026" in text
    assert outbox.outbox[0].to == ["anna@example.com"]
    assert "used up" in outbox.outbox[0].subject


def test_one_who_is_not_cut_is_told_what_more_costs():
    notice("46", guest={"language": "en"})
    mail.tell_guests(NOW)
    plain, html = texts()
    assert "4.50 DKK" in plain
    assert "4.0 kWh" in html
    assert "switch" not in plain


@pytest.mark.parametrize(
    ("guest", "language"),
    [
        ({"language": "de"}, "de"),
        ({"language": "DE-at"}, "de"),
        ({"language": "no"}, "nb"),
        ({"language": "sv_SE"}, "sv"),
        ({"language": "de", "spoken": "nl"}, "nl"),
        ({"language": "fr"}, "en"),
        ({"language": ""}, "en"),
    ],
)
def test_the_mail_speaks_the_guests_language_staff_know_better(guest, language):
    assert mail.language_of(Guest(**guest)) == language
    notice(guest=guest)
    mail.tell_guests(NOW)
    assert f'lang="{language}"' in texts()[1]


def test_html_in_a_name_is_only_text():
    notice(guest={"first_name": "<b>Eve</b>", "last_name": "😀", "language": "en"})
    mail.tell_guests(NOW)
    plain, html = texts()
    assert "<b>Eve</b> 😀" in plain
    assert "&lt;b&gt;Eve&lt;/b&gt; 😀" in html


@pytest.mark.parametrize("guest", [None, {"email": ""}, {"email": "no address"}, {"email": "a@b.dk\nBcc: c@d.dk"}])
def test_who_has_no_address_is_left_to_staff_who_see_why(guest):
    told = notice(guest=guest)
    assert mail.tell_guests(NOW) == 0
    told.refresh_from_db()
    assert (told.told_at, bool(told.error), told.tried_at) == (None, True, NOW)
    assert outbox.outbox == []


def test_a_mail_that_failed_is_tried_again_later_and_says_nothing_of_the_guest(settings, caplog):
    told = notice(guest={})
    backend, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, f"{__name__}.Broken"
    assert mail.tell_guests(NOW) == 0
    told.refresh_from_db()
    assert "SMTPServerDisconnected" in told.error
    assert "Anna" not in told.error + caplog.text
    settings.EMAIL_BACKEND = backend
    assert mail.tell_guests(NOW + timedelta(minutes=14)) == 0
    assert mail.tell_guests(NOW + timedelta(minutes=15)) == 1


def test_without_a_mail_server_nothing_is_sent_and_nobody_counts_as_told(settings):
    told = notice(guest={})
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert mail.state() == mail.State.DISABLED
    assert mail.tell_guests(NOW) == 0
    told.refresh_from_db()
    assert told.told_at is None


def test_while_everything_automatic_is_stopped_no_guest_is_told_when_it_will_be_cut():
    notice(guest={})
    commands.stop.press(None, "restored from a backup")
    assert mail.tell_guests(NOW) == 0
    commands.stop.release(None)
    assert mail.tell_guests(NOW) == 1


def test_whether_mail_is_sent_is_told_in_words(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert mail.state() == mail.State.READY
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert mail.state() == mail.State.CONSOLE
    assert all(str(state.words) for state in mail.State)


def test_what_the_server_only_prints_has_told_nobody(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    told = notice(guest={"email": "anna@example.com"})
    assert mail.tell_guests(NOW) == 0
    told.refresh_from_db()
    assert told.told_at is None


def test_what_staff_have_told_is_not_mailed():
    told = notice(guest={})
    accounts.told(told, make.staff(), NOW)
    assert mail.tell_guests(NOW) == 0


@pytest.mark.parametrize("address", ["a@" + 60 * "ü" + ".de", "a@\u00ad.dk", "a@\u3002.dk"])
def test_an_address_that_no_mail_can_be_sent_to_keeps_nobody_else_waiting(address):
    notice(guest={"language": "en", "email": address})
    other = make.booking()
    make.stay(make.pitch(), booking=other)
    make.guest(other, email="fine@example.com")
    PackageNotice.objects.create(booking=other, level=PackageNotice.Level.LOW, found_at=NOW)
    assert mail.tell_guests(NOW) == 1
    assert outbox.outbox[0].to == ["fine@example.com"]


def test_the_hour_that_is_told_is_one_at_which_reception_is_open():
    """Twelve hours after noon it is night: nothing is cut before the morning."""
    notice(guest={"language": "en"}, cut_when_empty=True, grace_h=12)
    mail.tell_guests(NOW)
    assert "07/13/2026 8 a.m." in texts()[0]

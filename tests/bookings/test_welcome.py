"""The link to his page is mailed to each guest who came, once, in his language."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.core import mail as outbox
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bookings import welcome
from bookings.models import Guest, LinkMail, PortalLink, Stay
from tests import make
from tests.bookings.guest import COMES_IN

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def site(settings) -> None:
    settings.SITE_URL = "https://power.example.com"


def came(minutes: float = 1, **guest: object) -> Stay:
    now = timezone.now()
    stay = make.stay(make.pitch("101"), began_at=now, noted_at=now - timedelta(minutes=minutes))
    make.guest(stay.booking, **({"language": "en"} | guest))
    return stay


def test_who_came_gets_his_link_once_and_it_opens_his_page():
    stay, now = came(), timezone.now()
    assert [welcome.greet(now), welcome.greet(now + timedelta(hours=1))] == [1, 0]
    (sent,) = outbox.outbox
    assert sent.to == ["anna@example.com"]
    html = sent.alternatives[0].content
    for text in (sent.body, html):
        assert "Dear Anna Müller" in text
        assert "pitch 101" in text
    (address,) = set(re.findall(r"https://power\.example\.com(/p/\S+/)", sent.body))
    assert address in html
    assert Client().get(address)["Location"] == COMES_IN
    assert LinkMail.objects.get().sent_at == now
    assert PortalLink.objects.get().stay == stay


@pytest.mark.parametrize("language", ["da", "de", "nl", "en", "nb", "sv"])
def test_it_is_in_the_guests_language(language):
    came(language=language)
    welcome.greet(timezone.now())
    html = outbox.outbox[0].alternatives[0].content
    assert f'lang="{language}"' in html
    assert ("Open my page" in html) == (language == "en")


@pytest.mark.parametrize(
    "off",
    [{"PORTAL_MAIL": False}, {"SITE_URL": ""}, {"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}],
)
def test_where_it_is_not_set_up_nothing_is_noted_nor_sent(settings, off):
    for name, value in off.items():
        setattr(settings, name, value)
    came()
    assert welcome.greet(timezone.now()) == 0
    assert not LinkMail.objects.exists()
    assert not PortalLink.objects.exists()


def test_who_came_long_ago_or_has_left_or_has_no_address_is_not_mailed():
    came(minutes=25 * 60)
    Stay.objects.update(pitch=None, booked_pitch=None)
    assert welcome.greet(timezone.now()) == 0
    Stay.objects.update(noted_at=timezone.now(), status=Stay.Status.LEFT)
    assert welcome.greet(timezone.now()) == 0
    Stay.objects.update(status=Stay.Status.IN_HOUSE)
    Guest.objects.update(email="")
    assert welcome.greet(timezone.now()) == 0
    assert outbox.outbox == []


def test_what_failed_is_tried_again_for_a_day_and_reception_sees_it(settings):
    stay, now = came(), timezone.now()
    backend, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, "tests.bookings.test_mail.Broken"
    assert welcome.greet(now) == 0
    row = LinkMail.objects.get()
    assert (row.sent_at, row.tried_at) == (None, now)
    client = Client(headers={"accept-language": "en"})
    client.force_login(make.superuser())
    shown = client.get(reverse("reception_booking", args=[stay.booking.sirvoy_id])).content.decode()
    assert "Link not mailed: " in shown
    assert "Anna" not in row.error
    settings.EMAIL_BACKEND = backend
    assert welcome.greet(now + timedelta(minutes=5)) == 0
    assert welcome.greet(now + timedelta(minutes=16)) == 1
    shown = client.get(reverse("reception_booking", args=[stay.booking.sirvoy_id])).content.decode()
    assert "Link mailed" in shown


def test_staff_see_the_mail_without_making_a_link():
    stay = came(language="de")
    client = Client()
    client.force_login(make.superuser())
    answer = client.get(reverse("reception_link_mail", args=[stay.pk]))
    head, _iframe, frame = answer.content.decode().partition("<iframe")
    assert "anna@example.com" in head
    assert "Strom: Ihr Strom" in head
    within = re.search('srcdoc="([^"]+)"', frame)[1]
    assert '<html lang="de">' in unescape(within)
    assert "/p/…/" in unescape(within)
    assert "<" not in within, "it ends the frame nowhere"
    assert not PortalLink.objects.exists()
    client.force_login(make.staff("nobody"))
    assert client.get(reverse("reception_link_mail", args=[stay.pk])).status_code == 403

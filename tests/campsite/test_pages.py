"""What every page holds to, whatever names stand on it: a strict policy, no inline code, nothing from anywhere else."""

import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from django.http import HttpResponse
from django.test import Client, override_settings
from django.utils import timezone

from bookings.models import Stay
from campsite.middleware import ADMIN_POLICY
from meters.models import Meter
from tests import make
from tests.bookings import guest
from tests.campsite.test_access import ADDRESSES

HOSTILE = "\"'><owned onload=x href=javascript:x>{{7*7}}</script></title>\u202e\u2066"
STRICT = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "form": "action"}
"""What a browser fetches, or sends to, without being asked."""


class Page(HTMLParser):
    """What of a page would be refused by the policy, come from another site, or stand there only by a name."""

    def __init__(self, answer: HttpResponse) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.is_owned = False
        self.feed(answer.content.decode())

    def handle_starttag(self, tag: str, told: list[tuple[str, str | None]]) -> None:
        attributes = dict(told)
        line = f"<{tag} {told}>"
        is_data = attributes.get("type") in ("application/json", "text/template")
        if tag == "script" and "src" not in attributes and not is_data and "nonce" not in attributes:
            self.wrong.append(f"inline script: {line}")
        if tag == "style" and "nonce" not in attributes:
            self.wrong.append(f"inline style: {line}")
        self.wrong += [f"{name}: {line}" for name in attributes if name == "style" or re.match(r"on[a-z]", name)]
        self.is_owned |= tag == "owned"
        self._look_at_addresses(tag, attributes, line)

    def _look_at_addresses(self, tag: str, attributes: dict[str, str | None], line: str) -> None:
        loaded = attributes.get(LOADS.get(tag, "")) or ""
        if urlsplit(loaded).netloc:
            self.wrong.append(f"another site: {line}")
        if any(re.match(r"\s*javascript:", value or "", re.IGNORECASE) for value in attributes.values()):
            self.wrong.append(f"script in an address: {line}")


def is_page(answer: HttpResponse) -> bool:
    return answer.headers.get("Content-Type", "").startswith("text/html") and not answer.streaming


def policy(answer: HttpResponse) -> dict[str, str]:
    """By directive; a nonce, which is another one each time, taken out."""
    told = re.sub(r" 'nonce-[\w+/=-]{20,}'", "", answer.headers["Content-Security-Policy"])
    return dict(part.strip().split(" ", 1) for part in told.split(";"))


def check(answer: HttpResponse, address: str) -> None:
    assert answer.status_code != 500, address
    for name, value in HEADERS.items():
        assert answer.headers.get(name) == value, (address, name)
    assert "camera=(self)" in answer.headers["Permissions-Policy"]
    assert answer.headers["Referrer-Policy"] in ("same-origin", "strict-origin"), address
    if not is_page(answer):
        return
    page = Page(answer)
    assert not page.is_owned, address
    if address.startswith("/admin/"):
        assert answer.headers["Content-Security-Policy"] == ADMIN_POLICY or policy(answer) == STRICT, address
        assert not [line for line in page.wrong if "another site" in line or "address" in line], address
    elif address == "/api/v1/docs/":  # Swagger UI makes style elements
        assert policy(answer) == STRICT | {"style-src": "'self' 'unsafe-inline'"}
    else:
        assert policy(answer) == STRICT, address
        assert not page.wrong, (address, page.wrong)


@pytest.fixture
def hostile_meter(db: None) -> Meter:
    """A campsite in which everything that others name is hostile."""
    area = make.area(HOSTILE[:60], slug="x", base_topic="x", in_service=True, reported={"version": HOSTILE[:40]})
    meter = make.meter(HOSTILE, area=area, model=HOSTILE, vendor=HOSTILE)
    now = timezone.now()
    make.state(meter, power_w=2**31 - 1, power_at=now, heard_at=now)
    make.worker()
    make.tariff(name=HOSTILE[:60])
    return meter


@pytest.fixture
def hostile_stay(hostile_meter: Meter) -> Stay:
    pitch = make.pitch(HOSTILE[:20])
    make.installed(hostile_meter, pitch)
    stay = make.stay(pitch)
    named = {"first_name": HOSTILE, "last_name": HOSTILE, "message": HOSTILE, "phone": HOSTILE[:60], "email": ""}
    make.guest(stay.booking, **named | {"language": "da"})
    make.line(stay, hostile_meter, pitch=pitch)
    return stay


def test_strangers_pages(db: None):
    for address in ADDRESSES:
        check(Client().get(address), address)
    check(Client(enforce_csrf_checks=True).post("/stay/find/"), "/stay/find/")
    check(Client().get("/nothing/"), "/nothing/")
    check(Client().post("/stay/find/", {"number": HOSTILE, "surname": HOSTILE, "arrival": HOSTILE}), "/stay/find/")


def test_a_guests_pages(hostile_stay: Stay):
    browser = guest.enter(hostile_stay)
    asked = {"/stay/": 200, "/stay/report/": 200, "/stay/receipt/": 200, "/stay/receipt.pdf": 200, "/stay/find/": 200}
    for address, status in asked.items():
        answer = browser.get(address)
        assert answer.status_code == status, address
        check(answer, address)
    check(guest.post(browser, "portal-report", kind=HOSTILE, text=HOSTILE), "/stay/report/")
    check(guest.post(browser, "portal-outlet", outlet=HOSTILE), "/stay/outlet/")


@pytest.mark.parametrize(
    ("pages", "least"), [("/admin/(bookings|auth)/", 12), ("/admin/(?!bookings|auth)", 30), ("/(?!admin/)", 10)]
)
def test_staffs_pages(pages: str, least: int, hostile_stay: Stay, hostile_meter: Meter):
    """Each address there is, and those of the rows that are there."""
    chief = Client()
    chief.force_login(make.superuser(HOSTILE[:60]))
    ieee, pitch = hostile_meter.device.ieee_address, hostile_stay.pitch_id
    names = {
        "areas/": "x",
        "meters/": ieee,
        "devices/": ieee,
        "reception/": hostile_stay.booking.sirvoy_id,
        "stay/": hostile_stay.pk,
    }
    of_rows = {a.replace(f"{what}1/", f"{what}{row}/") for a in ADDRESSES for what, row in names.items()}
    changes = {f"/admin/meters/meter/{hostile_meter.pk}/change/", f"/admin/meters/pitch/{pitch}/change/"}
    changes.add(f"/admin/meters/area/{hostile_meter.device.area_id}/change/")
    found = 0
    for address in sorted(each for each in {*ADDRESSES, *of_rows, *changes} if re.match(pages, each)):
        answer = chief.get(address)
        check(answer, address)
        found += answer.status_code == 200 and is_page(answer)
    assert found >= least


@override_settings(ROOT_URLCONF="tests.campsite.test_errors")
def test_the_page_of_a_fault_of_ours():
    answer = Client(raise_request_exception=False).get("/board/broken/")
    assert answer.status_code == 500
    assert policy(answer) == STRICT
    assert not Page(answer).wrong

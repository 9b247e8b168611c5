"""What deploy/ installs works as a whole: real PostgreSQL, Valkey, Mosquitto and Caddy, with the files of deploy/."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from websockets.sync.client import connect

from campsite.embedded.processes import Process
from meters import clock
from tests.bookings import sirvoy
from tests.deploy.browser import Browser
from tests.deploy.native import CORE, PROBE_S, Site
from tests.meters.harness import until

pytestmark = [pytest.mark.services, pytest.mark.long, pytest.mark.mosquitto, pytest.mark.xdist_group("deploy")]
PASSWORD = "Lyng-og-strandeng-47"
PREPARE = f"""
from django.utils import timezone
from django.contrib.auth.models import Group, User
from rest_framework.authtoken.models import Token
from meters import notify
from meters.models import Area, Pitch
seen = {{"is_staff": True, "last_login": timezone.now()}}  # who was here before has chosen his own password
user = User.objects.create_user("reception", password={PASSWORD!r}, **seen)
user.groups.add(Group.objects.get(name="reception"))
Area.objects.create(slug="nord", name="Nord", base_topic="zigbee2mqtt", in_service=True)
notify.touch()
print(Token.objects.create(user=user).key)
"""
INSTALL = """
from django.utils import timezone
from meters import installations
from meters.models import Meter, Pitch
meter = Meter.objects.filter(device__area__slug="nord", state__heard_at__isnull=False).order_by("pk").first()
installations.install(meter, Pitch.objects.create(number="F12"), timezone.now(), None)
"""


@pytest.fixture(scope="module")
def token(site: Site) -> str:
    """Reception's, for the API."""
    return f"Token {site.manage('web', 'shell', '--verbosity', '0', '-c', PREPARE).strip()}"


@pytest.fixture(scope="module")
def zigbee2mqtt(site: Site, token: str) -> Iterator[Process]:
    """A simulated Zigbee2MQTT that comes as its own user of the broker."""
    password = (site.deploy / "secrets/mqtt_zigbee2mqtt_nord").read_text().strip()
    own = {"MQTT_URL": f"mqtt://zigbee2mqtt_nord:{password}@127.0.0.1:{site.ports['1883']}"}
    words = [sys.executable, "manage.py", "simulate", "--areas", "zigbee2mqtt", "--meters", "12"]
    process = Process(
        "simulate", words, site.state.log("simulate"), environment=site.environment("web") | own, directory=site.app
    )
    yield process
    process.stop(10)


@pytest.fixture(scope="module")
def meter(site: Site, token: str, zigbee2mqtt: Process) -> str:
    """The address of one of its own that is online and hangs on pitch F12: other tests leave meters here that answer
    nobody."""
    until(lambda: meters(site, token, "area=nord&online=true"), "a meter to be heard", every_s=PROBE_S)
    site.manage("web", "shell", "--verbosity", "0", "-c", INSTALL)
    return str(meters(site, token, "pitch=F12")[0]["ieee_address"])


def meters(site: Site, token: str, which: str) -> list[dict[str, Any]]:
    told: Any = Browser(site).get(f"/api/v1/meters/?{which}", Authorization=token).told
    return list(told["results"])


def test_each_is_well_by_its_own_healthcheck(site: Site) -> None:
    for name in set(CORE) - {"migrate"}:
        until(lambda name=name: site.is_healthy(name), f"{name} to be well", every_s=PROBE_S)


def test_the_log_in_page_comes_encrypted_with_each_header_once(site: Site) -> None:
    found = Browser(site).get("/admin/login/")
    assert found.status == 200
    assert "csrfmiddlewaretoken" in found.text
    headers = [name.lower() for name in found.headers]
    assert sorted(set(headers)) == sorted(each for each in headers if each != "set-cookie" or headers.count(each) == 1)
    assert "content-security-policy" in headers
    assert not {"server", "via"} & set(headers)
    assert all("secure" in each.lower() for each in found.headers.get_all("set-cookie", []))


def test_static_files_come_as_the_image_has_them(site: Site) -> None:
    assert Browser(site).get("/static/icons/favicon.svg").status == 200


def test_who_comes_unencrypted_is_led_to_where_it_is(site: Site) -> None:
    found = Browser(site, follows=False).get(f"http://localhost:{site.ports['8080']}/board/?a=1")
    assert (found.status, found.headers["location"]) == (308, "https://localhost/board/?a=1")


def test_figures_for_prometheus_are_told_inside_alone(site: Site) -> None:
    token = (site.deploy / "secrets/metrics_token").read_text().strip()
    asked = {"Authorization": f"Bearer {token}"}
    assert Browser(site).get("/metrics", **asked).status == 404
    inside = Browser(site).get(f"http://127.0.0.1:{site.ports['8000']}/metrics", **asked)
    assert (inside.status, "campsite_" in inside.text) == (200, True)


def test_nobody_tries_more_often_by_saying_that_he_is_another(site: Site) -> None:
    """Caddy replaces what callers say of where they come from."""
    somebody = Browser(site)
    answers = {somebody.post("/hooks/sirvoy/wrong/", b"{}", X_Forwarded_For=f"203.0.113.{n}").status for n in range(25)}
    assert 429 in answers


def test_reception_logs_in_and_the_boards_socket_brings_the_whole_state(site: Site, token: str) -> None:
    reception = Browser(site)
    assert reception.log_in("reception", PASSWORD).url.endswith("/board/")
    headers = {"Cookie": reception.cookies}
    address = site.url.replace("https", "wss") + "/ws/board/"
    with connect(address, ssl=site.tls, additional_headers=headers, origin=site.url, open_timeout=20) as socket:  # type: ignore[arg-type]
        told = json.loads(socket.recv(timeout=20))
    assert "Nord" in [area["name"] for area in told["areas"]]


def test_a_meter_is_switched_and_says_so_itself(site: Site, token: str, meter: str) -> None:
    """By the API to our worker, by the broker to a Zigbee2MQTT with a user of its own, and back."""
    asked = {"state": "off", "reason": "Vand i stikket"}
    made = Browser(site).post_json(f"/api/v1/meters/{meter}/power/", asked, Authorization=token)
    assert made.status == 202, made.text
    told: dict[str, Any] = json.loads(made.text)

    def is_through() -> bool:
        """Whatever came of it: superseded is an end, too."""
        told.update(Browser(site).get(f"/api/v1/commands/{told['id']}/", Authorization=token).told)
        return bool(told["finished_at"])

    # Whoever asks twenty times a second is told to wait, and never hears of it where the proof takes its time.
    try:
        until(is_through, "the switch to be proven", timeout_s=120, every_s=1.0)
        assert told["status"] == "confirmed"
    except AssertionError as error:
        of_meter = Browser(site).get(f"/api/v1/meters/{meter}/", Authorization=token).text
        said = [f"{name}: {site.state.log(name).read_text()[-2000:]}" for name in ("mqtt_worker", "simulate")]
        raise AssertionError("\n".join([f"{error}; {told}", of_meter, *said])) from None


def test_sirvoy_is_heard_and_its_guest_sees_his_page(site: Site, meter: str) -> None:
    address = site.manage("web", "sirvoy_token").strip()
    assert address.startswith("https://localhost/hooks/sirvoy/")
    today = clock.day_of(timezone.now())
    days = {"arrival": today.isoformat(), "departure": (today + timedelta(days=3)).isoformat()}
    event = sirvoy.booking(sirvoy.room("F12"), came=True, generatedAt=f"{today}T00:00:01+00:00", **days)
    assert Browser(site).post_json(address, event).status == 200
    made = until(lambda: site.execute("web", "python", "manage.py", "portal_link", "47101").stdout, "the booking")
    link = made.split()[1]
    guest = Browser(site)
    page = guest.get(link)
    assert (page.status, page.url.partition("?")[0]) == (200, f"{site.url}/stay/")
    assert "F12" in page.text
    assert not re.search(r"/p/[\w-]{20,}", page.text)


def test_a_backup_is_made_where_the_answer_said_and_can_be_opened(site: Site, zigbee2mqtt: Process) -> None:
    done = site.execute("qcluster", "python", "manage.py", "backup")
    found = list((site.root / "usb").rglob("manifest.json"))
    assert found, done.stdout + done.stderr
    assert all((manifest.parent / "database.dump.age").stat().st_size > 10_000 for manifest in found)


def test_no_secret_stands_in_what_they_wrote(site: Site) -> None:
    secrets = {path.name: path.read_text().strip() for path in (site.deploy / "secrets").iterdir() if path.is_file()}
    written = "".join(path.read_text(errors="replace") for path in site.state.logs().iterdir())
    assert [name for name, secret in secrets.items() if len(secret) > 20 and secret in written] == []

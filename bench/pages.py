"""What pages cost with a year of roll-ups behind them: queries, and milliseconds beside a view that says only a word.

In this process, through all middleware, as a superuser (who sees everything), and as a guest.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from bench.run import Run
from bench.table import Figure

if TYPE_CHECKING:
    from django.test import Client

TIMES = 5
HOST = {"host": "localhost", "accept-language": "en"}
WORD, YEARS_MS = "/health/live", 50


def measure(run: Run) -> list[Figure]:
    with run.year() as site:
        staff, guest = browsers()
        pages = {name: (staff, path) for name, path in of_staff().items()}
        pages |= {"a guest's page": (guest, "/stay/"), "a guest's receipt": (guest, "/stay/receipt/")}
        bare_ms, *_ = asked(staff, WORD)
        return [figure(f"{name}, {site.meters} meters", *asked(*page), bare_ms) for name, page in pages.items()]


def figure(name: str, took_ms: float, queries: int, asked_ms: float, bare_ms: float) -> Figure:
    goal = f"≤ {YEARS_MS}" if "a year" in name else ""
    note = f"{queries} queries, {asked_ms:.0f} ms of it"
    return Figure(name, took_ms, "ms", "a bare view", bare_ms, goal, note)


def asked(client: Client, path: str) -> tuple[float, int, float]:
    """Median milliseconds of some askings, the first not counted; how many queries one takes, and ms of these."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    took = []
    for _ in range(TIMES + 1):
        began = time.perf_counter()
        answer = client.get(path)
        took.append(1000 * (time.perf_counter() - began))
        assert answer.status_code == 200, (path, answer.status_code)
    with CaptureQueriesContext(connection) as captured:
        client.get(path)
    asked_ms = 1000 * sum(float(each["time"]) for each in captured.captured_queries)
    return statistics.median(took[1:]), len(captured), asked_ms


def browsers() -> tuple[Client, Client]:
    """A superuser's, and that of a guest whose meter has a year behind it."""
    from django.test import Client
    from django.utils import timezone

    from bookings import links
    from meters.models import Meter
    from tests import make

    staff, guest, now = Client(headers=HOST), Client(headers=HOST), timezone.now()
    staff.force_login(make.superuser("bench"))
    meter, pitch = Meter.objects.order_by("pk")[0], make.pitch("1")
    stay = make.stay(pitch, began_at=now - timedelta(days=2))
    make.guest(stay.booking)
    make.installed(meter, pitch, now - timedelta(days=400))
    make.line(stay, meter, pitch=pitch)
    make.tariff()
    assert guest.get(links.path(links.make(stay, None))).status_code == 303
    return staff, guest


def of_staff() -> Mapping[str, str]:
    from django.urls import reverse
    from django.utils import timezone

    from meters.models import Meter

    meter, today = Meter.objects.select_related("device").order_by("pk")[0], timezone.localdate()
    hours = reverse("admin:meters_meter_hours", args=[meter.pk])
    return {
        "the board": reverse("board"),
        "the board's whole state": reverse("board-state"),
        "a meter's page": reverse("meter", args=[meter.device.ieee_address]),
        "a year of a meter": f"{hours}?from={today - timedelta(days=365)}&to={today}",
        "a meter's readings of a day": reverse("admin:meters_meter_readings", args=[meter.pk]),
        "the list of meters": reverse("admin:meters_meter_changelist"),
        "the reception": reverse("reception"),
        "the technician's start": reverse("technician"),
        "the areas": reverse("areas_overview"),
        "the incidents": reverse("admin:monitoring_incident_changelist"),
        "use without a guest, a week": reverse("admin:bookings_powerrule_vacancy"),
    }

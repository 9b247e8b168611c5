"""Whether pages stay fast, and nights short, when all is full: `python -m bench.volume [--days 90] [--years 5]`.

300 meters that report each minute: 39 million readings of 90 days, with five years of hours, in a PostgreSQL of its
own, durable, with 128 MB of buffers. Beside it the naive design in the same server: the readings in one plain table as
Django makes it (a number of its own, an index on the meter and one on the time), deleted from each night, and no sums.
It is kept small on purpose, which flatters it: it holds the 90 days only, so that of a year it can add up a quarter.

At 90 days it needs about 15 GB of disk and half an hour on two cores.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from bench.run import Run, django
from bench.table import Figure, shown
from bench.year import DAY, Site, sql
from tests.meters import harness

TIMES = 5


# --- what is asked ---------------------------------------------------------------------------------------------------


def ours(site: Site) -> dict[str, Callable[[], Any]]:
    """The product's own roads."""
    from meters import online, usage
    from meters.models import Meter, Reading

    ids = list(Meter.objects.values_list("pk", flat=True))
    one, end = ids[len(ids) // 2], site.end
    return {
        "latest state of all meters": lambda: list(online.meters()),
        "48 hours of a meter, each reading": lambda: list(
            Reading.objects.filter(meter=one, measured_at__gte=end - 2 * DAY).order_by("measured_at").values_list()
        ),
        "30 days of a meter by day": lambda: usage.by_day([one], end - 30 * DAY, end),
        "a year of the site by month": lambda: by_month(usage.by_day(ids, end - 365 * DAY, end)),
    }


def by_month(days: list[Any]) -> dict[tuple[int, int], Any]:
    from django.utils import timezone

    told: dict[tuple[int, int], Any] = {}
    for day in days:
        month = timezone.localtime(day.start)
        key = (month.year, month.month)
        told[key] = told.get(key, 0) + (day.energy_kwh or 0)
    return told


def naive(site: Site) -> dict[str, Callable[[], Any]]:
    """The same from the plain table."""
    (one,) = sql("SELECT id FROM meters_meter ORDER BY id LIMIT 1 OFFSET %s", [site.meters // 2])[0]
    latest = "SELECT DISTINCT ON (meter_id) * FROM naive ORDER BY meter_id, measured_at DESC"
    period = "SELECT date_trunc(%s, measured_at) d, meter_id, max(energy_kwh) - min(energy_kwh) e FROM naive WHERE "
    of_one = f"{period} meter_id = %s AND measured_at >= %s GROUP BY 1, 2"
    of_all = f"SELECT d, sum(e) FROM ({period} measured_at >= %s GROUP BY 1, 2) AS u GROUP BY 1"
    each = "SELECT * FROM naive WHERE meter_id = %s AND measured_at >= %s ORDER BY measured_at"
    return {
        "latest state of all meters": lambda: sql(latest),
        "48 hours of a meter, each reading": lambda: sql(each, [one, site.end - 2 * DAY]),
        "30 days of a meter by day": lambda: sql(of_one, ["day", one, site.end - 30 * DAY]),
        "a year of the site by month": lambda: sql(of_all, ["month", site.end - 365 * DAY]),
    }


def seconds(question: Callable[[], Any], times: int = TIMES) -> float:
    """Median of some askings; one before is not counted. A slow one is asked less often."""
    took: list[float] = []
    while len(took) < times + 1 and sum(took) < 30:
        began = time.monotonic()
        question()
        took.append(time.monotonic() - began)
    return statistics.median(took[1:] or took)


# --- the night -------------------------------------------------------------------------------------------------------


def nightly_ours(site: Site) -> tuple[float, float]:
    """Seconds of a night that proves a day and drops the one before it, proven a night ago; and of dropping alone."""
    from django.conf import settings

    from meters import partitions, retention

    first, first_night = site.begin.date(), site.begin + (settings.READINGS_KEPT_DAYS + 1) * DAY + timedelta(hours=3)
    sql("RESET statement_timeout")  # as it is in production
    retention.forget_readings(first_night)
    began = time.monotonic()
    gone = retention.forget_readings(first_night + DAY)
    night_s, began = time.monotonic() - began, time.monotonic()
    if gone != [first]:
        raise SystemExit(f"{first} was to be forgotten; what went: {gone}")
    partitions.drop(first + DAY)
    return night_s, time.monotonic() - began


def nightly_naive(site: Site) -> float:
    sql("SET statement_timeout = 0")
    began = time.monotonic()
    sql("DELETE FROM naive WHERE measured_at < %s", [site.begin + DAY])
    sql("VACUUM naive")
    return time.monotonic() - began


def sizes() -> tuple[float, float, float]:
    """GB with indexes: our readings, our hours and days, the naive table."""
    told = sql(
        "SELECT (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits "
        "WHERE inhparent = 'meters_reading'::regclass), "
        "pg_total_relation_size('meters_hourlyusage') + coalesce(pg_total_relation_size("
        "to_regclass('meters_dailyusage')), 0), pg_total_relation_size('naive')"
    )[0]
    return float(told[0]) / 1e9, float(told[1]) / 1e9, float(told[2]) / 1e9


# --- the table -------------------------------------------------------------------------------------------------------


@contextmanager
def database() -> Iterator[None]:
    services = harness.OwnServices(durable=True)
    try:
        services.start()
        django(services, services.new_database())
        yield
    finally:
        services.stop()


def asked(site: Site) -> list[Figure]:
    """Each question, to ours and to the plain table."""
    base, found = naive(site), []
    for what, question in ours(site).items():
        goal = "≤ 50" if "a year" in what else ""
        reference = f"plain table of {site.days} days"
        found.append(Figure(what, 1000 * seconds(question), "ms", reference, 1000 * seconds(base[what]), goal))
    return found


def nights(site: Site) -> list[Figure]:
    (night_s, dropped_s), deleted_s = nightly_ours(site), nightly_naive(site)
    name, reference = "a day of readings forgotten", "DELETE + VACUUM"
    return [
        Figure(f"{name}: dropped", 1000 * dropped_s, "ms", reference, 1000 * deleted_s, "≤ 0.1×"),
        Figure(f"{name}, and another proven first", 1000 * night_s, "ms", reference, 1000 * deleted_s),
    ]


def weights() -> list[Figure]:
    readings_b, sums_b, naive_b = (1e9 * gb for gb in sizes())
    (rows, hours) = sql("SELECT (SELECT count(*) FROM naive), (SELECT count(*) FROM meters_hourlyusage)")[0]
    name = "bytes a reading, index included, closed days"
    return [
        Figure(name, readings_b / rows, "B", "plain table", naive_b / rows, "≤ 100"),
        Figure("bytes an hour's roll-up, days included", sums_b / hours, "B", "60 readings", 60 * readings_b / rows),
    ]


def measure(run: Run) -> list[Figure]:
    with run.year() as site:
        return [*weights(), *asked(site), *nights(site)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--years", type=int, default=5)
    told = parser.parse_args()
    with database():
        site = Site(told.days, told.years)
        began = time.monotonic()
        site.load()
        counts = sql("SELECT (SELECT count(*) FROM naive), (SELECT count(*) FROM meters_hourlyusage)")[0]
        print(f"{counts[0]:,} readings, {counts[1]:,} hours, loaded in {time.monotonic() - began:.0f} s")
        print(shown([*weights(), *asked(site), *nights(site)]))


if __name__ == "__main__":
    main()

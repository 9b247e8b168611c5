"""Meters that fell silent together, minutes before the silence of each would mean something. Reads only.

A fuse, a cabinet, an antenna: many are silent for longer than they ever usually are, all since the same moment. That
they are is told by the area's own times: neither a Zigbee2MQTT with a wrong clock, nor one that was restarted, nor we,
who did not listen or lag, look like a loss.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import connection

from meters.models import AreaState, Meter
from meters.online import Link
from meters.readings.latest import SAME_REPORT

LEAST = timedelta(minutes=3)
"""Longer than the broker takes to tell that a Zigbee2MQTT is gone, and than our own lag may be."""
USUAL_GAPS = 3
BEYOND = 1.5
"""Times the longest of a meter's usual silences."""
USUALLY = 0.98
"""So many of its silences are usual: an outage or two of the last day do not count."""
LOOKED_BACK = timedelta(days=1)
KNOWN_FROM = 10
"""So many silences make a habit."""


def together(
    meters: Sequence[Meter],
    silent: Collection[Meter],
    state: AreaState,
    link: Link,
    now: datetime,
    *,
    least: int,
    known_since: datetime | None = None,
) -> list[Meter]:
    """Those of an area's `meters` that fell silent at the same moment, where they are at least `least`.

    `silent`: those whose silence counts already; where there are no others, nothing is to be found. `known_since`: when
    a loss that is known began. As long as nobody is heard after it, it goes on, whatever Zigbee2MQTT itself says
    meanwhile. `meters` come from `online.meters()`. At most one query.
    """
    heard = {meter: meter.state.heard_at for meter in meters if hasattr(meter, "state") and meter.state.heard_at}
    listened_since = max((at for at in (link.since(state.area_id), state.bridge_since) if at), default=None)
    if not heard or listened_since is None:
        return []
    clock = _area_clock(max(heard.values()), state, now, known_since)
    quiet = {meter: min(clock - at, now - listened_since) for meter, at in heard.items()}
    doubtful = [meter for meter in heard if quiet[meter] >= max(LEAST, USUAL_GAPS * _gap(meter))]
    if len(doubtful) < least or set(doubtful) <= set(silent):
        return []
    usual = _usual_silences([meter.pk for meter in doubtful], now)
    lost = {meter: heard[meter] for meter in doubtful if meter.pk in usual and quiet[meter] >= BEYOND * usual[meter.pk]}
    found = _at_one_moment(lost, usual)
    return found if len(found) >= least else []


def _area_clock(newest: datetime, state: AreaState, now: datetime, known_since: datetime | None) -> datetime:
    """What time it is by the times that this area tells: its newest report, and what has passed since its last word."""
    if known_since is not None and newest <= known_since:
        return now
    return newest + (now - state.seen_at) if state.seen_at else newest


def _gap(meter: Meter) -> timedelta:
    return timedelta(seconds=meter.state.gap_s or 0)


def _at_one_moment(lost: Mapping[Meter, datetime], usual: Mapping[int, timedelta]) -> list[Meter]:
    """The most that one moment explains: each was heard last within one of its usual silences before it."""

    def explained(moment: datetime) -> list[Meter]:
        return [meter for meter, at in lost.items() if moment - usual[meter.pk] <= at <= moment]

    return max(map(explained, set(lost.values())), key=len, default=[])


def _usual_silences(meter_ids: Sequence[int], now: datetime) -> dict[int, timedelta]:
    """The longest usual silence of each meter by id; one whose habits are not known has none."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT meter_id, percentile_disc(%s) WITHIN GROUP (ORDER BY silence) FROM (
                SELECT meter_id, measured_at - lag(measured_at) OVER each_meter AS silence
                FROM meters_reading WHERE meter_id = ANY(%s) AND measured_at > %s
                WINDOW each_meter AS (PARTITION BY meter_id ORDER BY measured_at)
            ) told WHERE silence > %s::interval GROUP BY meter_id HAVING count(*) >= %s
            """,
            [USUALLY, list(meter_ids), now - LOOKED_BACK, str(SAME_REPORT), KNOWN_FROM],
        )
        return dict(cursor.fetchall())

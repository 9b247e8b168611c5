"""What chaos and soak would find: a verdict that cannot fail says nothing."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from bench import soak
from bench.chaos import acts, compare, obeyed
from bench.chaos.load import Ledger, Move
from bench.chaos.people import Asked
from meters.models import Command, HourlyUsage, Meter
from tests import make


def say(ledger: Ledger, meter: Meter, at: datetime, *, taken: bool = True, **told: Any) -> None:
    about = {"last_seen": at.isoformat(), "device": {"ieeeAddr": meter.device.ieee_address}}
    place = ledger.note("z2m/x", json.loads(json.dumps(about | told)))
    assert place is not None
    if taken:
        ledger.take(place)


def found(ledger: Ledger) -> list[str]:
    """The kinds of findings."""
    connection.ensure_connection()
    told = compare.compare(connection.connection, ledger, [], set())
    return sorted({text.partition(":")[0] for text in told})


@pytest.mark.django_db
def test_what_was_taken_and_is_not_stored_as_it_was_sent_is_found() -> None:
    meter, now, ledger = make.meter(), timezone.now().replace(microsecond=0), Ledger()
    make.reading(meter, now, power_w=100, linkquality=90)
    make.hour(meter, now.replace(minute=0, second=0), 0)
    HourlyUsage.objects.update(readings=1, power_min_w=100, power_max_w=100)
    say(ledger, meter, now, power=100, linkquality=90)
    say(ledger, meter, now - timedelta(seconds=9), taken=False, power=7)
    assert found(ledger) == []
    say(ledger, meter, now - timedelta(seconds=1), power=100)
    assert found(ledger) == ["lost"]
    make.reading(meter, now - timedelta(seconds=1), power_w=101)
    assert found(ledger) == ["another value", "roll-ups are not their readings"]
    say(ledger, meter, now, voltage=230)
    make.reading(meter, now - timedelta(seconds=2))
    kinds = ["a value lost", "another value", "roll-ups are not their readings", "stored, and sent by nobody"]
    assert found(ledger) == kinds


@pytest.mark.django_db
def test_a_relay_that_moves_late_or_unasked_is_found() -> None:
    meter = make.switchable("101", relay=True)
    ieee = meter.device.ieee_address
    command = make.command(make.want(meter, False), status=Command.Status.CONFIRMED, attempts=1)
    asked = [Asked(ieee, False, 1000, 1001, command.pk)]

    def judge(*moves: Move) -> set[str]:
        connection.ensure_connection()
        told = obeyed.judge(connection.connection, asked, moves, lambda at: 0, is_clock_true=False)
        return {text.partition(":")[0] for text in told} - {"orders"}

    off = Move(ieee, False, True, 1002)
    assert judge(off) == set()
    assert judge() == {"not as wanted last"}
    assert judge(off, Move(ieee, False, False, 1003)) == {"sent more often than told"}
    unasked = {"a relay moved and nobody wanted it", "sent more often than told", "not as wanted last"}
    assert judge(off, Move(ieee, True, True, 1010)) == unasked
    asked = [Asked(ieee, True, 1000, 1001, command.pk)]
    assert "a relay moved and nobody wanted it" in judge(Move(ieee, True, True, 1100))


def test_a_seed_does_the_same_again_and_nobody_has_two_acts_at_once() -> None:
    first, again = (acts.script(7, 900, with_clock=True) for _ in range(2))
    assert [(due.at_s, due.act.name) for due in first] == [(due.at_s, due.act.name) for due in again]
    assert len(first) > 20
    for name in ("worker", "postgres", "broker"):
        mine = [(due.at_s, due.at_s + due.act.lasts_s) for due in first if name in due.act.hits]
        assert all(ends < begins for (_, ends), (begins, _) in pairwise(mine))


@pytest.mark.parametrize(("an_hour", "is_flat"), [(0.0, True), (1.0, True), (20.0, False)])
def test_what_grows_is_told_from_what_is_unsteady(an_hour: float, is_flat: bool) -> None:
    points = [(30.0 * n, 100 + an_hour * n / 120 + (40 if n == 50 else n % 3)) for n in range(100)]
    told = soak.trend("worker MB", points)
    assert told.is_flat == is_flat
    assert told.an_hour == pytest.approx(an_hour, abs=0.5)

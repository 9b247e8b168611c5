"""What chaos and soak would find: a verdict that cannot fail says nothing."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from bench.chaos import acts, compare, obeyed, verdict
from bench.chaos.__main__ import kept
from bench.chaos.load import AREAS, Ledger, Move
from bench.chaos.people import Asked, People
from bench.chaos.run import Done
from bench.chaos.site import Crew
from bench.soak import verdict as soak
from bench.soak.samples import WORKERS
from meters import rejected
from meters.models import Command, HourlyUsage, Meter
from tests import make
from tests.meters import harness


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
def test_what_is_missing_while_our_clock_was_behind_must_have_been_refused() -> None:
    meter, now, ledger = make.meter(), timezone.now(), Ledger()
    say(ledger, meter, now, power=100)
    span = [(now.timestamp() - 60, now.timestamp() + 60)]
    connection.ensure_connection()
    told = compare.compare(connection.connection, ledger, span, set())
    assert told == ["lost: 1 moments while our clock was behind; only 0 messages were refused as of the future"]
    rejected.note([rejected.Refusal("z2m/x", "from_the_future", "", b"", now)])
    assert compare.compare(connection.connection, ledger, span, set()) == []


@pytest.mark.django_db
def test_a_relay_that_moves_late_or_unasked_is_found() -> None:
    meter = make.switchable("101", relay=True)
    ieee = meter.device.ieee_address
    command = make.command(make.want(meter, False), status=Command.Status.CONFIRMED, attempts=1)
    asked, at_last = [Asked(ieee, False, 1000, 1001, command.pk)], [command.pk]

    def judge(*moves: Move) -> set[str]:
        connection.ensure_connection()
        told = obeyed.judge(connection.connection, asked, at_last, moves, lambda at: 0, lambda at: [at])
        return {text.partition(":")[0] for text in told} - {"orders"}

    off = Move(ieee, False, True, 1002)
    assert judge(off) == set()
    assert judge() == {"not as wanted last"}
    assert judge(off, Move(ieee, False, False, 1003)) == {"sent more often than told"}
    unasked = {"a relay moved and nobody wanted it", "sent more often than told", "not as wanted last"}
    assert judge(off, Move(ieee, True, True, 1010)) == unasked
    asked = [Asked(ieee, True, 1000, 1001, command.pk)]
    assert "a relay moved and nobody wanted it" in judge(Move(ieee, True, True, 1100))


@pytest.mark.django_db
def test_a_switch_that_does_nothing_when_all_is_well_is_found() -> None:
    """What ran out while something was away may have; else nothing that is ever switched would be well, too."""
    meter = make.switchable("101", relay=True)
    command = make.command(make.want(meter, False), status=Command.Status.EXPIRED, attempts=1)
    asked = [Asked(meter.device.ieee_address, False, 1000, 1001, command.pk)]
    connection.ensure_connection()
    for at_last, kinds in ([], []), ([command.pk], [f"when all was well: command {command.pk} is expired"]):
        told = obeyed.judge(connection.connection, asked, at_last, [], lambda at: 0, lambda at: [at])
        assert [text for text in told if not text.startswith("orders")] == kinds


@pytest.mark.django_db
def test_of_what_a_killed_broker_took_only_the_recent_and_not_stored_may_be_missing() -> None:
    meter, now, ledger = make.meter(), timezone.now().replace(microsecond=0), Ledger()
    make.reading(meter, now, power_w=100)
    say(ledger, meter, now, power=100)
    say(ledger, meter, now, voltage=230)
    say(ledger, meter, now - timedelta(seconds=1), power=7, state="ON")
    say(ledger, meter, now - timedelta(seconds=2), taken=False, power=7)
    connection.ensure_connection()
    is_stored = compare.in_rows(connection.connection)
    refused = compare.in_rows(connection.connection, [(ledger.said[0].sent_at - 9, ledger.said[0].sent_at + 9)])
    assert [is_stored(each) for each in ledger.said] == [True, False, False, False]
    assert all(map(refused, ledger.said))
    ledger.give_up(ledger.said[2].sent_at, is_stored)
    assert (ledger.taken, ledger.given_up) == ({0, 1}, {2})
    assert found(ledger) == ["a value lost", "roll-ups are not their readings"]
    ledger.give_up(0, is_stored)
    assert (ledger.taken, ledger.given_up) == ({0}, {1, 2})
    assert compare.lost_by_the_broker(connection.connection, ledger) == 2
    make.reading(meter, now - timedelta(seconds=1), power_w=7)
    assert compare.lost_by_the_broker(connection.connection, ledger) == 1


def stepped(ahead_s: float) -> list[Done]:
    """Our clock was set for twenty seconds from the moment 1000 on."""
    return [Done(acts.step_clock(("worker",), ahead_s, 20), 1000, 1020)]


@pytest.mark.parametrize(
    ("ahead_s", "at", "found"),
    [
        (3600, 900, [900]),
        (3600, 1010, [1010]),  # nobody's: better looked at than not
        (3600, 4610, [1010]),
        (-3600, -2590, [1010]),
        (3600, 3900, [3900]),
        (-90, 920, [1010, 920]),
        (-90, 1100, [1100]),
        (90, 1111, [1021, 1111]),
    ],
)
def test_what_our_clock_called_a_moment_is_found_in_the_world(ahead_s: float, at: float, found: list[float]) -> None:
    assert verdict.true_times_s(stepped(ahead_s), (0, 4000), at) == found


@pytest.mark.django_db
@pytest.mark.parametrize("ahead_s", [0, 3600, -3600, 90])
def test_what_is_confirmed_and_was_not_so_is_found_although_our_clock_was_set(ahead_s: float) -> None:
    meter = make.switchable("101", relay=True)
    at = datetime.fromtimestamp(1010 + ahead_s, UTC)
    told = {"asked_at": at, "confirmed_at": at + timedelta(seconds=2)}
    make.command(make.want(meter, False), status=Command.Status.CONFIRMED, attempts=3, **told)
    connection.ensure_connection()

    def judge(*moves: tuple[bool, float]) -> list[str]:
        did = [Move(meter.device.ieee_address, state, True, when) for state, when in moves]
        times = partial(verdict.true_times_s, stepped(ahead_s) if ahead_s else [], (800, 2000))
        told = obeyed.judge(connection.connection, [], [], did, lambda at: 0, times)
        return [text for text in told if text.startswith("confirmed")]

    assert len(judge()) == 1
    assert judge((False, 1011)) == []
    assert judge((False, 900)) == []
    assert len(judge((False, 900), (True, 905))) == 1
    assert len(judge((False, 1500))) == 1


def test_each_area_has_one_worker_and_the_first_worker_has_one_that_stands_by() -> None:
    crew = Crew(workers=2, webs=2)
    told = dict(crew.lists())
    assert told["worker"] == told["standby"]
    assert sorted(",".join([told["worker"], told["worker 2"]]).split(",")) == sorted(AREAS)
    assert dict(Crew().lists()) == {"worker": ""}
    assert {Crew.drawn(seed) for seed in range(40)} == {Crew(w, n) for w in (1, 2) for n in (1, 2)}


def test_a_seed_does_the_same_again_and_nobody_has_two_acts_at_once() -> None:
    crew = Crew(workers=2, webs=2)
    first, again = (acts.script(7, 900, with_clock=True, crew=crew) for _ in range(2))
    assert [(due.at_s, due.act.name) for due in first] == [(due.at_s, due.act.name) for due in again]
    assert len(first) > 20
    for seed, minutes, act in kept():
        assert act in [due.act.name for due in acts.script(seed, minutes * 60, with_clock=True, crew=Crew.drawn(seed))]
    for name in (*crew.everybody, "postgres", "broker"):
        mine = [(due.at_s, due.at_s + due.act.lasts_s) for due in first if name in due.act.hits]
        assert all(ends < begins for (_, ends), (begins, _) in pairwise(mine))


class Town:
    """Two meters, both on."""

    meters, relay = 2, (True, True)

    def ieee(self, meter: int) -> str:
        return f"0x{meter}"


def people(port: int) -> People:
    return People(port, "token", [Town()], random.Random(1))  # type: ignore[list-item]


def test_who_asks_while_nobody_answers_can_be_looked_after_and_gives_up_at_the_end() -> None:
    asking = people(harness.free_port())
    asking.ask_at_last()
    assert not asking.are_answered()
    asking.end()
    assert asking.are_answered()
    assert asking.at_last == []


def test_who_asks_again_asks_for_the_same() -> None:
    keys, answers = [], iter([503, 502, 202])

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            keys.append(self.headers["Idempotency-Key"])
            body = b'{"id": 7}'
            self.send_response(next(answers))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        asking = people(server.server_port)
        asking.ask_at_last()
        for _ in range(3):
            server.handle_request()
        harness.until(asking.are_answered, "the answer to be read")
    assert keys == ["chaos-0"] * 3
    assert (asking.at_last, asking.refused) == ([7], [])
    assert [(each.ieee, each.state) for each in asking.asked] == [("0x1", False)]


@pytest.mark.parametrize(("an_hour", "is_flat"), [(0.0, True), (1.0, True), (20.0, False)])
def test_what_grows_is_told_from_what_is_unsteady(an_hour: float, is_flat: bool) -> None:
    points = [(30.0 * n, 100 + an_hour * n / 120 + (40 if n == 50 else n % 3)) for n in range(100)]
    told = soak.trend("worker MB", points)
    assert told.is_flat == is_flat
    assert told.an_hour == pytest.approx(an_hour, abs=0.5)


def test_a_week_is_judged_within_a_moment() -> None:
    week = [(30.0 * n, 100 + n / 2400) for n in range(20_000)]
    assert len(soak.thinned(week)) <= soak.MOST_POINTS
    told = soak.trend("worker MB", week)
    assert not told.is_flat
    assert told.an_hour == pytest.approx(0.05, rel=0.01)


def test_what_was_not_well_is_told_although_all_is_flat() -> None:
    begun = {"at": 0.0, "readings": 100.0, "failed jobs": 0.0, "drills": 0.0}
    well = begun | {"at": 600.0, "readings": 11_000.0, "drills": 5.0}
    assert soak.unwell([begun, well], {"200": 9}, 20, [], 6, 3600) == []
    answers = {"200": 9, "500": 2, "TimeoutError": 1}
    told = soak.unwell([begun, begun | {"at": 600.0, "failed jobs": 3.0}], answers, 20, ["worker"], 6, 3600)
    assert told == [
        "worker has ended",
        "callers were answered 500: 2 times",
        "callers were answered TimeoutError: 1 times",
        "0 readings were stored in 600 s, at 20 messages a second",
        "3 jobs failed",
        "0 backups came back in 6 nights",
    ]
    assert soak.unwell([begun, well], {}, 20, [], 6, 3600) == ["callers were never answered"]


@pytest.mark.parametrize(("later_mb", "is_told"), [(95.0, False), (120.0, True)])
def test_what_comes_and_goes_is_told_where_it_comes_higher(later_mb: float, is_told: bool) -> None:
    held = [60.0, 80.0, 90.0, 60.0, 80.0, later_mb]
    rows = [{"at": 600.0 + number * 30, WORKERS: mb} for number, mb in enumerate(held)]
    assert bool(soak.risen([{"at": 0.0, WORKERS: 300.0}, *rows], 900)) is is_told


def test_a_short_soak_judges_neither_slopes_nor_nights() -> None:
    rows = [{"at": at * 30.0, "worker MB": 50.0 + at} for at in range(8)]
    assert [each.is_flat for each in soak.trends(rows, 3600)] == []
    assert [(each.is_flat, each.is_judged) for each in soak.trends(rows, 240)] == [(True, False)]
    told = rows[0] | {"readings": 0.0, "failed jobs": 0.0, "drills": 0.0}
    assert soak.unwell([told, told | {"at": 240.0, "readings": 4800.0}], {"200": 9}, 20, [], 6, 240) == []

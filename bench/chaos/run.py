"""One run: the product, its load, its people and its pages; the acts; and the wait until all has come to rest."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg
from django.db import Error, connection

from bench.chaos import compare
from bench.chaos.acts import Act, Due
from bench.chaos.load import AREAS, LIVE, PAST, Ledger, Load, Town, past_step_s
from bench.chaos.pages import MOST_SEEN, Pages
from bench.chaos.people import People
from bench.chaos.site import Site
from bench.sockets import staffs_cookies
from campsite.embedded.mosquitto import Mosquitto
from campsite.embedded.processes import Process
from tests import chromium
from tests.meters.harness import login, says, until

METERS = 12
"""Of each area."""
TICK_S = 0.1
PROBE_S = 0.5
SHOWS_AFTER_S, SHOWS_WITHIN_S = 8.0, 60.0
"""Of what was killed, the outage comes only then."""
FRESH_S = 5.0
AUTOSAVE_S = 65.0
"""The broker writes each minute, and takes a moment."""
REST_S = 300.0
"""All must be well again so soon after the last act, on a machine that does much else."""


@dataclass
class Done:
    """An act as it was done, times of time.time(). The outages are seconds for which nothing new was stored, or shown
    on the board; None: other acts came in between."""

    act: Act
    begun_at: float
    ended_at: float = 0.0
    stored_after_s: float | None = None
    shown_after_s: float | None = None


@dataclass
class Samples:
    """When how old the newest was that is known, by (time.time(), seconds)."""

    ages: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=MOST_SEEN))

    def outage_s(self, begun_at: float, ended_at: float, limit: float) -> float | None:
        """The longest age that the act brought. None where the one before was not over, or another began (`limit`)."""
        ends = min(limit, ended_at + SHOWS_WITHIN_S)
        seen = [(at, age) for at, age in self.ages if begun_at <= at <= ends]
        is_alone = bool(seen) and max(seen[0][1], seen[-1][1]) < FRESH_S and ends >= ended_at + SHOWS_AFTER_S
        return max(age for _, age in seen) if is_alone else None


class Probe:
    """How old the newest stored value of a meter is that reports each second: asked past all roads."""

    def __init__(self, database_url: str, town: Town) -> None:
        self.samples = Samples()
        self._url, self._town = database_url, town
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)
        self._last = time.time()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(PROBE_S):
            with suppress(psycopg.Error):
                self._look()
            now = time.time()
            self.samples.ages.append((now, now - self._last))

    def _look(self) -> None:
        statement = (
            "SELECT s.power_w FROM meters_meterstate s JOIN meters_meter m ON m.id = s.meter_id "
            "JOIN meters_device d ON d.id = m.device_id WHERE d.ieee_address = %s"
        )
        with direct(self._url) as database:
            found = database.execute(statement, [self._town.ieee(0)]).fetchone()
        if found and found[0] is not None:
            self._last = self._town.pulses.get(int(str(found[0])), self._last)


def direct(database_url: str) -> psycopg.Connection[tuple[object, ...]]:
    """As the owner, past all roads."""
    return psycopg.connect(**login(database_url), connect_timeout=3, autocommit=True)


class Run:
    """`violations` holds what was wrong while it ran; the rest is found by comparing afterwards."""

    def __init__(
        self,
        site: Site,
        seed: int,
        per_s: float,
        seconds: float,
        script: Sequence[Due],
        say: Callable[[str], None],
        ledger: Ledger | None = None,
    ) -> None:
        self.site, self.seconds, self.script, self._say = site, seconds, script, say
        self.ledger = ledger or Ledger()
        self.done: list[Done] = []
        self.violations: list[str] = []
        dice = random.Random(f"load {seed}")
        step_s = past_step_s(METERS * len(AREAS), per_s, seconds)
        self.towns = {
            base: Town(site.broker.url, base, METERS, self.ledger, dice, step_s if base in PAST else 0)
            for base in AREAS
        }
        self._load = Load(list(self.towns.values()), per_s)
        self._probe = Probe(site.database_url, self.towns[LIVE[0]])
        self._dice = random.Random(f"people {seed}")
        self.people: People
        self.staffs = ""
        self.pages: Pages | None = None
        self.began = 0.0
        self.rested_after_s: float | None = None

    # --- life --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """All meters are known and heard, the pages are open and fresh."""
        from rest_framework.authtoken.models import Token

        from meters import notify
        from meters.models import Area, Meter
        from tests import make

        for base in self.towns:
            Area.objects.create(name=base, slug=base, base_topic=base, control=Area.Control.ACT, in_service=True)
        notify.touch()
        self.site.begin()
        self._wait_connected()
        for town in self.towns.values():
            town.appear()
        count = METERS * len(self.towns)
        self._wait(lambda: Meter.objects.filter(state__relay=True).count() == count, "every meter's position")
        token = Token.objects.create(user=make.superuser("machine")).key
        self.people = People(self.site.port, token, [self.towns[base] for base in LIVE], self._dice)
        (self.staffs,) = staffs_cookies(1)
        if chromium.program():
            self.pages = self._open_pages()
        self._load.start()
        self._probe.start()
        self._wait(self._is_fresh, "fresh pages before anything happens")
        self.people.start()
        self.began = time.time()

    def _wait_connected(self) -> None:
        """The broker has written down for whom it keeps messages, as one that has run for a minute has."""
        for names in self.site.crew.shards:
            workers = [self.site.parts[name].process for name in names]
            until(lambda them=workers: any(map(is_connected, them)), f"the connection of {names}")  # type: ignore[misc]
        server = self.site.broker.server
        assert isinstance(server, Mosquitto)
        self.site.signal("broker", signal.SIGUSR1)
        until((server.directory / "mosquitto.db").exists, "the broker to write")

    def _open_pages(self) -> Pages:
        from meters.models import Meter

        towns = {"board": self.towns[LIVE[0]], "portal": self.towns[LIVE[1]]}
        meters = {name: Meter.objects.get(device__ieee_address=town.ieee(0)) for name, town in towns.items()}
        cookies = {"board": self.staffs, "portal": guests_cookie(meters["portal"])}
        ids = {name: meter.pk for name, meter in meters.items()}
        pages = Pages(f"http://127.0.0.1:{self.site.port}", cookies, ids, towns)
        pages.start()
        return pages

    def end(self) -> None:
        if self.began:
            self.people.end()
        if self.pages:
            self.pages.stop()
        self._probe.stop()
        self.site.end()
        for town in self.towns.values():
            town.stop()

    # --- the acts ----------------------------------------------------------------------------------------------------

    def go(self) -> None:
        """Do all of the script; what began is ended when its time has come."""
        waiting, open_ones = list(self.script), list[Done]()
        while waiting or open_ones or time.time() < self.began + self.seconds:
            now = time.time()
            for done in [each for each in open_ones if now >= each.begun_at + each.act.lasts_s]:
                open_ones.remove(done)
                self._end(done)
            if waiting and now >= self.began + waiting[0].at_s:
                open_ones.append(self._begin(waiting.pop(0).act))
            self.site.look()
            time.sleep(TICK_S)

    def _begin(self, act: Act) -> Done:
        self._say(f"{act.name}{f', {act.lasts_s:.0f} s' if act.lasts_s else ''}")
        done = Done(act, time.time())
        self.done.append(done)
        if act.forgets:
            self._lose(act)
        else:
            act.begin(self.site)
        return done

    def _lose(self, act: Act) -> None:
        """What the broker took since it wrote last, and is not stored when it is killed, it may lose."""
        with direct(self.site.database_url) as database:
            is_stored = compare.in_rows(database, self.future_refused())
        act.begin(self.site)
        talkers = [town.talker.client for town in self.towns.values()]
        until(lambda: not any(each.is_connected() for each in talkers), "its last acknowledgements to be read")
        self.ledger.give_up(time.time() - AUTOSAVE_S, is_stored)

    def _end(self, done: Done) -> None:
        done.act.end(self.site)
        done.ended_at = time.time()
        if done.act.lasts_s:
            self._say(f"{done.act.name}: over")

    def rest(self) -> None:
        """Wait until everything is well again and all that was published is stored."""
        ended_at = time.time()
        self._check(self.site.is_whole, "what was killed runs again")
        self._check(self._is_fresh, "new values are stored, and shown on every page")
        self.rested_after_s = time.time() - ended_at
        self._say(f"all fresh {self.rested_after_s:.0f} s after the last act")
        self.people.stop()
        self._check(self.people.are_answered, "the last who asked is answered")
        self._check(self._are_commands_through, "every command is through")
        self.people.ask_at_last()
        self._check(self.people.are_answered, "who asked at last is answered")
        self._check(self._are_commands_through, "what was asked for at last is through")
        self._check(self._are_relays_known, "every relay's position is known as it is")
        self._load.stop()
        self._note_outages()

    def hush(self) -> None:
        """Nobody says anything any more, not even where the worker asks, and all that was said is stored: so only may
        the ledger be compared.
        """
        for town in self.towns.values():
            town.stop()
        self._check(self._is_all_stored, "all that the broker took is stored")

    def _check(self, find: Callable[[], object], what: str) -> None:
        try:
            self._wait(find, what)
        except AssertionError as late:
            self.violations.append(str(late)[:1000])
            self._say(f"VIOLATION: {late}")

    def _wait(self, find: Callable[[], object], what: str) -> None:
        def look() -> object:
            self.site.look()
            connection.close()  # the one of before may have died with the server
            with suppress(Error):
                return find()
            return None

        until(look, what, REST_S)

    def _note_outages(self) -> None:
        board = self.pages.looked["board"] if self.pages else None
        ages = [(seen.at, 1e9 if seen.age_s is None else seen.age_s) for seen in board.seen] if board else []
        shown = Samples(deque(ages))
        for done, following in zip(self.done, [*self.done[1:], None], strict=True):
            limit = following.begun_at if following else float("inf")
            done.stored_after_s = self._probe.samples.outage_s(done.begun_at, done.ended_at, limit)
            done.shown_after_s = shown.outage_s(done.begun_at, done.ended_at, limit)

    # --- what must come true -----------------------------------------------------------------------------------------

    def _is_fresh(self) -> bool:
        if self.pages and self.pages.failed:
            raise self.pages.failed
        ages = self._probe.samples.ages
        return bool(ages) and ages[-1][1] < FRESH_S and (self.pages is None or self.pages.are_fresh())

    def _are_commands_through(self) -> bool:
        from meters.models import Command

        return not Command.objects.filter(finished_at=None).exists()

    def _are_relays_known(self) -> bool:
        from meters.models import MeterState

        said = dict(MeterState.objects.values_list("meter__device__ieee_address", "relay"))
        live = [self.towns[base] for base in LIVE]
        return all(said.get(town.ieee(m)) == town.relay[m] for town in live for m in range(town.meters))

    def _is_all_stored(self) -> bool:
        """The keys alone: what their rows hold is compared afterwards."""
        with direct(self.site.database_url) as database:
            return not compare.missing(database, self.ledger, self.future_refused())

    def future_refused(self) -> list[tuple[float, float]]:
        """When our processes lived so far in the past that what is of now was refused, and rightly."""
        return [(each.begun_at - 90, each.ended_at + 5) for each in self.done if each.act.step_s < -110]


def is_connected(worker: Process) -> bool:
    return says(worker, "Connected to the MQTT broker") > 0


def guests_cookie(meter: object) -> str:
    """Of a guest whose outlet this is."""
    from django.utils import timezone

    from bookings import links
    from bookings.models import PortalLink
    from bookings.portal import door
    from meters.models import Meter
    from tests import make

    assert isinstance(meter, Meter)
    stay = make.stay(make.pitch("7001"), began_at=timezone.now())
    make.guest(stay.booking)
    make.installed(meter, stay.pitch)  # type: ignore[arg-type]
    make.line(stay, meter, pitch=stay.pitch)
    links.make(stay, None)
    answer = door.admit(PortalLink.objects.get(stay=stay))
    connection.close()
    return answer.cookies[door.COOKIE].OutputString().partition(";")[0]

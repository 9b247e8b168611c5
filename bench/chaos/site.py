"""The product to which all this happens: its processes as they are deployed, each road between them can be cut.

A process that ends is started again a moment later, as its service manager would. Its clock is one that can be set.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from django.conf import settings

from bench.chaos.load import AREAS
from bench.chaos.roads import Road, Roads
from bench.cpu import family
from campsite.embedded.processes import Process
from tests.conftest import Broker
from tests.meters.harness import OwnServices, free_port, is_listening, says, until

AGAIN_AFTER_S = 2.0
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
"""None where it is not installed: apt-get install faketime."""
TOLD = {"COMMAND_ANSWER_S": "8", "COMMAND_DEADLINE_S": "60", "LOG_LEVEL": "INFO"}
"""Sooner than by default, so that a command's whole life fits between two acts."""
DEADLINE_S = 60.0


@dataclass(frozen=True)
class Crew:
    """How many workers share the areas, and how many web processes the requests. Where there are several workers, one
    stands by for the areas of the first.
    """

    workers: int = 1
    webs: int = 1

    @classmethod
    def drawn(cls, seed: int) -> Crew:
        dice = random.Random(f"crew {seed}")
        return cls(dice.choice((1, 2)), dice.choice((1, 2)))

    @property
    def shards(self) -> list[tuple[str, ...]]:
        """Who may take the same areas: one of them does."""
        first, *others = _numbered("worker", self.workers)
        return [(first, "standby") if others else (first,), *((other,) for other in others)]

    def lists(self) -> Iterator[tuple[str, str]]:
        """Each worker, and what `--areas` tells it; nothing: all."""
        for number, names in enumerate(self.shards):
            for name in names:
                yield name, ",".join(AREAS[number :: self.workers]) if self.workers > 1 else ""

    @property
    def all_workers(self) -> list[str]:
        return [name for names in self.shards for name in names]

    @property
    def all_webs(self) -> list[str]:
        return _numbered("web", self.webs)

    @property
    def everybody(self) -> tuple[str, ...]:
        return (*self.all_workers, *self.all_webs, "qcluster")

    @property
    def roads(self) -> list[tuple[str, str]]:
        """All that are cut."""
        return [
            *[(one, other) for one in self.all_workers for other in ("broker", "postgres", "valkey")],
            *[(one, other) for one in self.all_webs for other in ("postgres", "valkey")],
            ("qcluster", "postgres"),
        ]


def _numbered(name: str, count: int) -> list[str]:
    return [name, *(f"{name} {number}" for number in range(2, count + 1))]


class Durable(OwnServices):
    """What its PostgreSQL has committed outlives an immediate shutdown."""

    def __init__(self) -> None:
        super().__init__(durable=True)


class Part:
    """A process of ours, started again whenever it ends, unless it `is_away`."""

    def __init__(self, start: Callable[[], Process]) -> None:
        self._start = start
        self.is_away = False
        self._ended_at: float | None = None
        self.process = start()
        self.all = [self.process]

    def look(self) -> None:
        if self.is_away or self.process.is_alive():
            return
        now = time.monotonic()
        self._ended_at = self._ended_at or now
        if now - self._ended_at >= AGAIN_AFTER_S:
            self._ended_at, self.process = None, self._start()
            self.all.append(self.process)

    def end(self) -> None:
        self.process.stop(15)


class Site:
    """`with_clock`: whether our processes' clocks can be set (`set_clock`). `port`: where people come."""

    def __init__(
        self,
        services: OwnServices,
        broker: Broker,
        database_url: str,
        *,
        with_clock: bool,
        crew: Crew | None = None,
    ) -> None:
        self.services, self.broker, self.database_url = services, broker, database_url
        self.crew = crew or Crew()
        self._roads = Roads()
        self.roads = dict(self._build())
        self._ports = {name: free_port() for name in self.crew.all_webs}
        is_alone = self.crew.webs == 1
        self.port = self._ports["web"] if is_alone else self._roads.build(*self._ports.values()).port
        self._clock = services.root / "clock"
        self._with_clock = with_clock and FAKETIME is not None
        self.set_clock(0)
        self.parts: dict[str, Part] = {}

    def _build(self) -> Iterator[tuple[tuple[str, str], Road]]:
        postgres = self.services.postgres.sockets / ".s.PGSQL.5432"
        for one in self.crew.everybody:
            yield (one, "postgres"), self._roads.build(postgres)
            yield (one, "valkey"), self._roads.build(self.services.valkey.socket)
        for one in (*self.crew.all_workers, "qcluster"):
            yield (one, "broker"), self._roads.build(self.broker.port)

    # --- life --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        for name, areas in self.crew.lists():
            self.parts[name] = Part(partial(self._worker, name, areas))
        for name in self.crew.all_webs:
            self.parts[name] = Part(partial(self._web, name))
        self.parts["qcluster"] = Part(lambda: self.services.manage("qcluster", **self._told("qcluster")))
        for port in self._ports.values():
            until(lambda port=port: is_listening(port), "the web process")  # type: ignore[misc]

    def _worker(self, name: str, areas: str) -> Process:
        words = ["--areas", areas] if areas else []
        return self.services.manage("mqtt_worker", *words, **self._told(name))

    def _web(self, name: str) -> Process:
        return self.services.web(port=self._ports[name], begun=False, DATABASE_POOL="1", **self._told(name))

    def leader(self, names: Sequence[str]) -> str | None:
        """Which of those who may take the same areas does, by what it says of itself. One that loses them ends."""
        alive = [name for name in names if self.parts[name].process.is_alive()]
        return next((name for name in alive if says(self.parts[name].process, "The worker has begun as")), None)

    def look(self) -> None:
        """Start again what has ended: from the thread that began, which ends them when it ends."""
        for part in self.parts.values():
            part.look()

    def is_whole(self) -> bool:
        return all(part.process.is_alive() for part in self.parts.values())

    def end(self) -> None:
        for name in self.pids_of:
            self.signal(name, signal.SIGCONT)
        try:
            for road in self.roads.values():
                road.set("open")
        finally:
            for part in self.parts.values():
                part.end()
        self._roads.stop()

    def _told(self, one: str) -> dict[str, str]:
        postgres, valkey = self.roads[one, "postgres"], self.roads[one, "valkey"]
        broker = self.roads.get((one, "broker"))
        told = TOLD | {"SECRET_KEY": settings.SECRET_KEY}  # who has logged in here has done so there
        told["PGAPPNAME"] = one
        told["database_url"] = self._by_road(self.database_url, postgres)
        secret = self.services.state.secret("valkey-password")
        told["REDIS_URL"] = f"redis://:{secret}@127.0.0.1:{valkey.port}"
        told |= {"mqtt_url": self.broker.url.rpartition(":")[0] + f":{broker.port}"} if broker else {}
        return told | (self._faked() if self._with_clock else {})

    @staticmethod
    def _by_road(url: str, road: Road) -> str:
        """The database's URL names a folder of sockets after the last @."""
        who, _, rest = url.rpartition("@")
        return f"{who}@127.0.0.1:{road.port}/{rest.rpartition('/')[2]}"

    # --- what is done to it ------------------------------------------------------------------------------------------

    @property
    def pids_of(self) -> dict[str, list[int]]:
        """All processes of each part and service."""
        servers = {
            "broker": self.broker.server.process,
            "postgres": self.services.postgres.process,
            "valkey": self.services.valkey.process,
        }
        all_of = {name: part.process for name, part in self.parts.items()} | {k: p for k, p in servers.items() if p}
        return {name: family(process.pid) for name, process in all_of.items() if process.is_alive()}

    def signal(self, name: str, number: int) -> None:
        for pid in self.pids_of.get(name, []):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def keep_away(self, name: str) -> None:
        """Killed, and not started again until it is called back."""
        self.parts[name].is_away = True
        self.signal(name, signal.SIGKILL)

    def call_back(self, name: str) -> None:
        self.parts[name].is_away = False

    def set_clock(self, ahead_s: float) -> None:
        """Of our own processes, at once; the others' clocks stay true."""
        draft = self._clock.with_name("clock.new")
        draft.write_text(f"{ahead_s:+.0f}\n")
        draft.replace(self._clock)

    @property
    def can_set_clock(self) -> bool:
        return self._with_clock

    def _faked(self) -> dict[str, str]:
        """Not the monotonic clock, which no step moves."""
        return {
            "LD_PRELOAD": str(FAKETIME),
            "PYTHONPATH": str(Path(__file__).with_name("clock")),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

"""How fast each peer stores the same messages, and at what cost: `python -m bench.peers.race [--rounds 3] [--quick]`.

Flat out: the messages are published as fast as the broker takes them, to a peer that is warm. Backlog: they wait in
the broker for a peer that was away, and connects. Counted to the last row in the database. Rounds interleave, figures
are medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.ingest_cost import django
from bench.peers import ground
from bench.peers.ground import Peer, Probe
from bench.peers.homeassistant import HomeAssistant
from bench.peers.nodered import NodeRed
from bench.peers.ours import Ours
from campsite.embedded.processes import Process
from tests.meters import harness

POLL_S = 0.05
STALLED_S = 20.0
"""Without a further row for so long, the rest never comes."""


class Speed(NamedTuple):
    per_s: float
    process_us: float
    postgres_us: float
    lost: int

    @property
    def cpu_us(self) -> float:
        """Of a core, a message: process and PostgreSQL together."""
        return self.process_us + self.postgres_us


@dataclass(frozen=True)
class Runner:
    peer: Peer
    messages: int
    """In a round: some three seconds' work."""
    warm_up: int


RUNNERS = {
    "ours": Runner(Ours(), 40_000, 6_000),
    "nodered_one": Runner(NodeRed("one_statement"), 6_000, 1_200),
    "nodered_batch": Runner(NodeRed("batch"), 40_000, 6_000),
    "homeassistant": Runner(HomeAssistant(), 10_000, 1_200),
}


def flat_out(services: harness.OwnServices, runner: Runner) -> Speed:
    with ground.place(services, runner.peer) as place:
        process, probe = runner.peer.start(place), Probe(runner.peer, place)
        try:
            talker = ground.generator(place, keep=False)
            talker.send(runner.warm_up)
            _wait(probe, runner.warm_up)
            prepared = talker.prepare(runner.messages)
            before, began = probe.cpu_s(process), time.monotonic()
            talker.send(runner.messages, prepared=prepared)
            return _finish(probe, process, before, began, runner.warm_up, runner.warm_up + runner.messages)
        finally:
            probe.close()
            process.stop(10)


def backlog(services: harness.OwnServices, runner: Runner) -> Speed:
    """Its session is there, it is not; then it starts. Counted from when it has its connection."""
    with ground.place(services, runner.peer) as place:
        runner.peer.start(place).stop(10)
        ground.generator(place, keep=False).send(runner.messages)
        process, probe = runner.peer.start(place), Probe(runner.peer, place)
        try:
            return _finish(probe, process, probe.cpu_s(process), time.monotonic(), probe.rows(), runner.messages)
        finally:
            probe.close()
            process.stop(10)


def _finish(
    probe: Probe, process: Process, before: tuple[float, float], began: float, there: int, wanted: int
) -> Speed:
    """`there`: rows at the beginning, of the `wanted` at the end."""
    rows = _wait(probe, wanted)
    took, after = time.monotonic() - began - (STALLED_S if rows < wanted else 0), probe.cpu_s(process)
    mine, postgres = (1e6 * (after[i] - before[i]) / (rows - there) for i in (0, 1))
    return Speed((rows - there) / took, mine, postgres, wanted - rows)


def _wait(probe: Probe, wanted: int) -> int:
    """Until so many rows stand there, or no more come. Returns how many."""
    rows, moved_at = probe.rows(), time.monotonic()
    while rows < wanted and time.monotonic() - moved_at < STALLED_S:
        time.sleep(POLL_S)
        before, rows = rows, probe.rows()
        moved_at = time.monotonic() if rows != before else moved_at
    return rows


def median(speeds: Sequence[Speed]) -> Speed:
    return Speed(*(statistics.median(column) for column in zip(*speeds, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=RUNNERS, default=list(RUNNERS))
    words = parser.parse_args()
    speeds = defaultdict(list)
    with ground.services() as services:
        django(services, services.new_database())
        for _ in range(words.rounds):
            for name in words.only:
                for way in (flat_out, backlog):
                    if way is backlog and not RUNNERS[name].peer.session_id:
                        continue
                    speed = way(services, RUNNERS[name])
                    print(name, way.__name__, speed, flush=True)
                    speeds[name, way.__name__].append(speed)
    for key, each in speeds.items():
        print(*key, median(each))


if __name__ == "__main__":
    main()

"""What each peer loses when things break: `python -m bench.peers.failures [--only ours one] [--case killed …]`.

The same load for all: QoS 1, 200 reports a second. What the broker acknowledged to the meters is compared with what
stands in the tables in the end. A process that ends is started again at once, as systemd and containers do.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.generator import Generator
from bench.peers import ground
from bench.peers.ground import Peer, Place
from bench.peers.homeassistant import HomeAssistant
from bench.peers.nodered import NodeRed
from bench.peers.ours import Ours
from bench.run import Run
from campsite.embedded.processes import Process
from tests.meters import harness

PER_S = 200
QUEUED = 20_000
DATABASE_AWAY_S, BROKER_AWAY_S, LOAD_S = 20.0, 2.0, 5.0
STILL_S = 30.0
"""Without a further row for so long from a peer that listens, the rest never comes."""

PEERS: dict[str, Peer] = {
    "ours": Ours(),
    "one": NodeRed("one_statement"),
    "batch": NodeRed("batch"),
    "hass": HomeAssistant(),
}


@dataclass(frozen=True)
class Outcome:
    """`sent`: acknowledged by the broker, each another reading. `ended`: how often the process did of itself."""

    sent: int
    lost: int
    doubled: int
    ended: int


class Trial:
    """A peer under load, kept running."""

    def __init__(self, peer: Peer, place: Place) -> None:
        self.peer, self.place, self.ended = peer, place, 0
        self.process: Process = peer.start(place)
        self.generator: Generator = place.generator(patient=True)

    @contextmanager
    def load(self) -> Iterator[None]:
        """Until all that was sent meanwhile is acknowledged by the broker."""
        sending = threading.Thread(target=self.generator.send, args=[0, PER_S])
        sending.start()
        try:
            self.tend(LOAD_S)
            yield
            self.tend(LOAD_S)
        finally:
            self.generator.stopping = True
            sending.join()

    def tend(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.revive()
            time.sleep(0.1)

    def revive(self) -> None:
        if not self.process.is_alive():
            self.ended += 1
            self.process = self.peer.launch(self.place)

    def kill(self) -> None:
        harness.kill(self.process)
        self.process = self.peer.launch(self.place)

    def _listens(self) -> bool:
        self.revive()
        return harness.says(self.process, self.peer.listens) > 0

    def outcome(self) -> Outcome:
        """Once everything stands there, or nothing has moved for a while."""
        harness.until(self._listens, f"{self.peer.name} to listen again", 120)
        told = iter(self.generator.ledger)
        sent = {self.peer.as_stored(self.generator, meter, ms) for meter, ms in zip(told, told, strict=True)}
        rows, moved_at = self.peer.stored(self.place), time.monotonic()
        while not sent <= set(rows) and time.monotonic() - moved_at < STILL_S:
            self.tend(1)
            before, rows = rows, self.peer.stored(self.place)
            moved_at = time.monotonic() if len(rows) != len(before) else moved_at
        return Outcome(len(sent), len(sent - set(rows)), len(rows) - len(set(rows)), self.ended)


# --- what happens ----------------------------------------------------------------------------------------------------


def killed(trial: Trial) -> None:
    with trial.load():
        trial.kill()


def killed_in_a_backlog(trial: Trial) -> None:
    """As after an outage, or when six Zigbee2MQTTs start again: soon after the first rows stand there."""
    trial.process.stop(10)
    trial.generator.send(QUEUED)
    trial.process = trial.peer.launch(trial.place)
    if trial.peer.keeps_session:
        harness.until(lambda: trial.peer.stored(trial.place), "the first rows")
    trial.kill()


def database_away(trial: Trial) -> None:
    with trial.load():
        trial.place.run.services.postgres.stop()
        trial.tend(DATABASE_AWAY_S)
        trial.place.run.services.postgres.start()


def broker_restarted(trial: Trial) -> None:
    with trial.load():
        trial.place.broker.stop()
        trial.tend(BROKER_AWAY_S)
        trial.place.broker.start()


CASES: dict[str, Callable[[Trial], None]] = {
    "killed": killed,
    "killed_in_a_backlog": killed_in_a_backlog,
    "database_away": database_away,
    "broker_restarted": broker_restarted,
}


def tried(run: Run, peer: Peer, case: Callable[[Trial], None]) -> Outcome:
    with ground.place(run, peer) as place:
        trial = Trial(peer, place)
        try:
            case(trial)
            return trial.outcome()
        finally:
            trial.process.stop(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--case", nargs="*", choices=CASES, default=list(CASES))
    words = parser.parse_args()
    run = Run()
    try:
        run.start()
        print("| what happens | to whom | sent | lost | doubled | it ended by itself |\n|---|---|---:|---:|---:|---:|")
        for case in words.case:
            for name in words.only:
                peer = PEERS[name]
                told = peer.missing() or "{0.sent} | {0.lost} | {0.doubled} | {0.ended}".format(
                    tried(run, peer, CASES[case])
                )
                print(f"| {case.replace('_', ' ')} | {peer.name} | {told} |", flush=True)
    finally:
        run.stop()


if __name__ == "__main__":
    main()

"""Made-up guests come and go at the simulated campsite: what Sirvoy would tell of them is posted to our own webhook.

At first half of the pitches get guests who are here since yesterday; then something happens each --every seconds. Its
webhook address is made at the start and revoked at the end, and never leaves this process but for the calls.
"""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from collections.abc import Callable
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone, translation

from bookings import tokens
from bookings.simulation import scene, told
from bookings.simulation.caller import Caller, NotReached, Refused
from bookings.simulation.day import Day
from bookings.simulation.told import Told

LONGEST_WAIT_S = 180
TRY_AGAIN_S = 5.0


class Command(BaseCommand):
    help = "Simulate guests: post what Sirvoy would tell of them to this site's own webhook, until it is stopped."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--site", default="http://127.0.0.1:8000", help="where this site answers")
        parser.add_argument("--every", type=float, default=15, help="seconds from one event to the next")
        parser.add_argument("--events", type=int, help="end after so many, besides those who are here at the start")
        parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same guests")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stopped = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopped.set())
        if scene.is_of_others():
            self.stdout.write("There are bookings of somebody else's; nothing is simulated.")
            self.stopped.wait()
            return
        caller = self._caller(options["site"])
        try:
            self._play(caller, options["every"], options["events"], options["seed"])
        except Refused as refused:
            raise CommandError(str(refused)) from None
        finally:
            revoke()

    def _play(self, caller: Caller, every_s: float, events: int | None, seed: int) -> None:
        self._wait(caller.is_there, scene.is_wired)
        if scene.prepare(timezone.localdate()):
            self.stdout.write("Tariffs were made, and one area acts.")
        number, known = scene.next_number(), scene.known()
        day = Day(scene.places(), number, seed + number, known)
        if not day.places:
            raise CommandError("No pitch has a meter; run `manage.py demo --install` first.")
        for change in [] if known else day.morning(timezone.now()):
            self._tell(caller, change)
        while not self.stopped.wait(every_s) and events != 0:
            if event := day.next(timezone.now()):
                self._tell(caller, event)
            events = None if events is None else events - 1

    def _tell(self, caller: Caller, change: Told) -> None:
        """Until it has been taken, or we are stopped."""
        while not self.stopped.is_set():
            try:
                caller.call(told.body(change))
                return
            except NotReached:
                self.stopped.wait(TRY_AGAIN_S)

    def _wait(self, *conditions: Callable[[], bool]) -> None:
        """For each of them, not for ever."""
        for is_so in conditions:
            left = LONGEST_WAIT_S
            while left and not is_so() and not self.stopped.wait(1):
                left -= 1

    def _caller(self, site: str) -> Caller:
        revoke()  # one that a killed run left behind
        try:
            return Caller(site, tokens.path(self._secret()))
        except ValueError as error:
            raise CommandError(str(error)) from None

    def _secret(self) -> str:
        """Of an address of our own, as soon as one may be made; of none where we are stopped before."""
        has_said = False
        while not self.stopped.is_set():
            try:
                return tokens.make(scene.NAME, None)[1]
            except tokens.TooMany as error:
                if not has_said:
                    with translation.override("en"):  # as all that is printed here
                        self.stdout.write(f"{error} Made-up guests come as soon as that is done.")
                has_said = True
                self.stopped.wait(TRY_AGAIN_S)
        return ""


def revoke() -> None:
    for token in tokens.valid().filter(name=scene.NAME):
        tokens.revoke(token, None, timezone.now())

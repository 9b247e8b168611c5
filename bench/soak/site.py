"""The product that is soaked, and its nights."""

from __future__ import annotations

from bench import nights
from bench.chaos.load import Ledger
from bench.chaos.run import direct
from bench.chaos.site import Site
from tests.conftest import Broker
from tests.meters.harness import OwnServices

NIGHTS, DAY_S = 6, 86_400.0
"""Of a run: so many that what each leaves behind is a slope, and what the first ones load lies in the warming up."""


class Backed(Site):
    """It has somewhere to bring its backups, and the key that opens them."""

    def __init__(self, services: OwnServices, broker: Broker, database_url: str) -> None:
        self._backed = nights.backed(services)
        super().__init__(services, broker, database_url, with_clock=False)

    def _told(self, one: str) -> dict[str, str]:
        return super()._told(one) | self._backed


class Nights:
    """What is done at night becomes due, NIGHTS times in the run."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url, self._gap_s, self.count = url, min(DAY_S, seconds / NIGHTS), 0

    def look(self, passed_s: float) -> None:
        if passed_s >= self._gap_s * (self.count + 0.5):
            self.count += 1
            with direct(self._url) as database:
                nights.begin(database)


class Nothing(Ledger):
    """Of a week nobody could keep it."""

    def note(self, topic: str, told: dict[str, object]) -> int | None:
        return None

"""The product that is soaked, and its nights."""

from __future__ import annotations

from bench.chaos.load import Ledger
from bench.chaos.run import direct
from bench.chaos.site import Site
from monitoring.backup import sealing
from tests.conftest import Broker
from tests.meters.harness import OwnServices

NIGHTS, DAY_S = 6, 86_400.0
"""Of a run: so many that what each leaves behind is a slope, and what the first ones load lies in the warming up."""


class Backed(Site):
    """It has somewhere to bring its backups, and the key that opens them."""

    def __init__(self, services: OwnServices, broker: Broker, database_url: str) -> None:
        self._identity, self._recipient = sealing.new_key()
        super().__init__(services, broker, database_url, with_clock=False)

    def _told(self, one: str) -> dict[str, str]:
        there = self.services.root / "backups"
        there.mkdir(exist_ok=True)
        return super()._told(one) | {
            "BACKUP_TARGETS": f"there file://{there}",
            "BACKUP_RECIPIENTS": self._recipient,
            "BACKUP_IDENTITY": self._identity,
            "BACKUP_WORK": str(self.services.root / "work"),
            "POSTGRES_PROGRAMS": str(self.services.postgres.programs),
        }


class Nights:
    """What is done at night becomes due, NIGHTS times in the run: an hour by day has none of its own."""

    DUE = "UPDATE django_q_schedule SET next_run = now() WHERE schedule_type = 'D'"
    DRILL_DUE = "UPDATE monitoring_restoredrill SET started_at = started_at - interval '29 days'"

    def __init__(self, url: str, seconds: float) -> None:
        self._url, self._gap_s, self.count = url, min(DAY_S, seconds / NIGHTS), 0

    def look(self, passed_s: float) -> None:
        if passed_s >= self._gap_s * (self.count + 0.5):
            self.count += 1
            with direct(self._url) as database:
                database.execute(self.DRILL_DUE)
                database.execute(self.DUE)


class Nothing(Ledger):
    """Of a week nobody could keep it."""

    def note(self, topic: str, told: dict[str, object]) -> int | None:
        return None

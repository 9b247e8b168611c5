"""What one batch of messages leads to, and what is gathered of it until it is committed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from meters import commands, readings, rejected
from meters.zigbee2mqtt import BridgeInfo


@dataclass
class Outcome:
    """What a batch led to. `meters` and `areas` (ids) changed; `all_changed`: the inventory did.

    `moved`: meters whose relay was told to have moved although we did not ask: somebody's button, or somebody's echo.
    """

    stored: int = 0
    rejected: int = 0
    meters: set[int] = field(default_factory=set)
    areas: set[int] = field(default_factory=set)
    moved: set[int] = field(default_factory=set)
    all_changed: bool = False

    def __or__(self, other: Outcome) -> Outcome:
        """What both led to."""
        return Outcome(
            self.stored + other.stored,
            self.rejected + other.rejected,
            self.meters | other.meters,
            self.areas | other.areas,
            self.moved | other.moved,
            self.all_changed or other.all_changed,
        )


@dataclass
class Pass:
    """One transaction's work. `kept`: older readings are refused."""

    kept: timedelta
    outcome: Outcome = field(default_factory=Outcome)
    reports: list[readings.Report] = field(default_factory=list)
    refusals: list[rejected.Refusal] = field(default_factory=list)
    heard_areas: set[int] = field(default_factory=set)
    heard: dict[int, datetime] = field(default_factory=dict)
    others: dict[int, datetime] = field(default_factory=dict)
    returned: set[int] = field(default_factory=set)
    outage_memories: dict[int, str] = field(default_factory=dict)
    updating: dict[int, datetime] = field(default_factory=dict)
    inventories: dict[int, int] = field(default_factory=dict)
    early: dict[tuple[int, str], bool] = field(default_factory=dict)
    noted: dict[int, datetime] = field(default_factory=dict)
    found: dict[str, tuple[datetime, BridgeInfo | None]] = field(default_factory=dict)
    proofs: commands.Proofs = field(default_factory=commands.Proofs)

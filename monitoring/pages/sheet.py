"""What an area's page and the overview show, ready for their templates."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bookings.portal import local
from meters.models import BridgeRequest, MeterState
from monitoring import audit
from monitoring.audit import AreaFacts, Result, Site, Verdict
from monitoring.pages import charts
from monitoring.pages.traffic import SPANS, Traffic, traffic

PAUSE = "availability.active.pause_on_backoff_gt"
MOST_TALKATIVE, WEAKEST = 10, 10
QUALITY_STEP, WEAK = 50, 50
"""Of 0 to 255; below the second one a link is weak."""
DEVICES_SHOWN = 3
"""More deviating devices of a rule are folded away."""


# --- all areas -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A rule, and how each area stands by it, in the order of the areas."""

    rule: audit.Rule
    results: list[Result]

    @property
    def parts(self) -> list[str]:
        """Its title by where a line may break."""
        return re.split(r"(?<=[._])", str(self.rule.title))


@dataclass(frozen=True, slots=True)
class Overview:
    areas: Sequence[AreaFacts]
    rows: list[Row]
    in_force: int
    """In so many areas a Zigbee2MQTT that runs has the pause of pings."""


def overview(now: datetime) -> Overview:
    site = audit.gather(now)
    results = [audit.of_area(facts, site) for facts in site.areas]
    rows = [Row(rule, [each[index] for each in results]) for index, rule in enumerate(audit.RULES)]
    pauses = next(row.results for row in rows if row.rule.code == PAUSE)
    in_force = sum(
        facts.is_online and pause.look.verdict is Verdict.OK for facts, pause in zip(site.areas, pauses, strict=True)
    )
    return Overview(site.areas, rows, in_force)


# --- one area --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Talker:
    name: str
    per_minute: float
    percent: int
    """Of the most talkative one."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Links of a strength from `low` to `high`."""

    low: int
    high: int
    meters: int
    percent: int
    is_weak: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    facts: AreaFacts
    by_verdict: dict[str, list[Result]]
    span: str
    traffic: Traffic
    charts: dict[str, charts.Chart]
    talkers: list[Talker]
    qualities: list[Quality]
    weakest: Sequence[MeterState]
    models: list[tuple[str, str, int]]
    """Make, firmware, how many devices."""
    asked: BridgeRequest | None

    @property
    def payload(self) -> str:
        """What was asked, as it was published."""
        return json.dumps(self.asked.payload, ensure_ascii=False) if self.asked else ""

    @property
    def coordinator(self) -> str:
        told = self.facts.state.coordinator
        return " · ".join(str(told[key])[:40] for key in ("type", "ieee_address") if told.get(key))

    @property
    def firmware(self) -> str:
        """The coordinator's, as each make numbers it."""
        meta = self.facts.state.coordinator.get("meta")
        return str(meta.get("revision", ""))[:40] if isinstance(meta, dict) else ""

    @property
    def uptime(self) -> str:
        seconds = self.traffic.newest.uptime_s if self.traffic.newest else None
        return "" if seconds is None else local.span(timedelta(seconds=seconds))

    @property
    def is_restart_due(self) -> bool:
        return self.facts.is_online and bool(self.facts.state.restart_required)

    @property
    def is_asked(self) -> bool:
        """Whether the answer is still awaited."""
        return self.asked is not None and self.asked.finished_at is None


def sheet(site: Site, facts: AreaFacts, span: str, asked: BridgeRequest | None) -> Sheet:
    area, now = facts.area, site.now
    results = audit.of_area(facts, site)
    told = traffic(area, SPANS[span], now)
    states = list(
        MeterState.objects.filter(meter__device__area=area, meter__device__removed_at=None, linkquality__isnull=False)
        .select_related("meter__device")
        .order_by("linkquality", "meter__device__friendly_name")
    )
    return Sheet(
        facts=facts,
        by_verdict={verdict.value: [each for each in results if each.look.verdict is verdict] for verdict in Verdict},
        span=span,
        traffic=told,
        charts={
            "messages": charts.chart(told.messages_per_s),
            "queued": charts.chart(told.queued, least_top=10),
            "memory": charts.chart(told.memory_percent, least_top=10),
        },
        talkers=_talkers(told.by_device, {each.ieee_address: each.name for each in facts.devices}),
        qualities=_qualities([state.linkquality or 0 for state in states]),
        weakest=states[:WEAKEST],
        models=_models(facts),
        asked=asked,
    )


def _talkers(by_device: Mapping[str, float], names: Mapping[str, str]) -> list[Talker]:
    most = sorted(by_device.items(), key=lambda each: -each[1])[:MOST_TALKATIVE]
    top = most[0][1] if most else 0
    return [Talker(names.get(a, a), rate, round(100 * rate / top)) for a, rate in most if rate > 0]


def _qualities(told: Sequence[int]) -> list[Quality]:
    counts = Counter(min(value // QUALITY_STEP, 4) for value in told)
    top = max(counts.values(), default=1)
    return [
        Quality(
            step * 50, 255 if step == 4 else step * 50 + 49, counts[step], round(100 * counts[step] / top), step < 1
        )
        for step in range(5)
    ]


def _models(facts: AreaFacts) -> list[tuple[str, str, int]]:
    counts = Counter((device.make, device.software_build) for device in facts.devices)
    return [(make, build, count) for (make, build), count in sorted(counts.items())]

"""What a rule says of an area: how it stands, what deviates, and which request cures it. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise

from monitoring.audit.facts import AreaFacts, Site

Text = str | Promise
LONGEST_SHOWN = 120


class Verdict(StrEnum):
    """WAITS: as wanted in its configuration, but this Zigbee2MQTT is to be restarted before all of that is in force."""

    OK = "ok"
    WAITS = "waits"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Cure:
    """What to ask of the area's Zigbee2MQTT. `restart`: whether it then needs one, by its documentation."""

    request: str
    payload: Mapping[str, Any]
    restart: bool = False


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing that is not as wanted. `sets`: what the cure makes of it, where more than one value is as wanted.
    `about`: the IEEE address of the device; empty: the Zigbee2MQTT itself."""

    now: str
    wanted: str
    cure: Cure | None = None
    sets: str = ""
    about: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """How an area stands by one rule."""

    verdict: Verdict
    now: str = ""
    deviations: Sequence[Deviation] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """`code`: the setting's path in Zigbee2MQTT's configuration, or a word of ours. `weighty`: an incident if wrong."""

    code: str
    title: Text
    why: Text
    source: str
    weighty: bool
    look: Callable[[AreaFacts, Site], Look]


UNKNOWN = Look(Verdict.UNKNOWN)


def wrong(now: str, wanted: str, cure: Cure | None = None, sets: str = "") -> Look:
    return Look(Verdict.WRONG, now, [Deviation(now, wanted, cure, "" if sets == wanted else sets)])


def of_devices(deviations: Sequence[Deviation], known: int) -> Look:
    """How many of the devices whose value is known deviate; of none known nothing is said."""
    if not known:
        return UNKNOWN
    return Look(Verdict.WRONG if deviations else Verdict.OK, f"{len(deviations)} / {known}", deviations)


def shown(value: Any) -> str:
    """A value nearly as it stands in configuration.yaml, cut where it is long."""
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        text = ", ".join(value)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"

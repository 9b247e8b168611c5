"""Places in the drawing of the band: a row an area, its Wi-Fi as shaded blocks, its Zigbee channels as bars. Pure.

Across in percent, so that it fits a telephone and a screen; down in px.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from monitoring.channels import band
from monitoring.channels.facts import Sight
from monitoring.channels.plan import Advice

TOP, ROW, BOTTOM = 28, 92, 24
MHZ_MARKS = (2410, 2430, 2450, 2470)
SPACED = 3
"""Wi-Fi channels so far apart have room for the word."""


class Kind(StrEnum):
    TODAY = "today"
    PROPOSED = "proposed"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class Block:
    """`middle` is where its text stands."""

    x: str
    width: str
    middle: str
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    block: Block
    kind: Kind
    is_covered: bool


@dataclass(frozen=True, slots=True)
class Row:
    y: int
    name: str
    wifi: list[Block]
    bars: list[Bar]


@dataclass(frozen=True, slots=True)
class Picture:
    rows: list[Row]
    zigbee: list[Block]
    mhz: list[Block]

    @property
    def height(self) -> int:
        return TOP + ROW * len(self.rows) + BOTTOM

    @property
    def foot(self) -> int:
        return self.height - BOTTOM


def picture(sights: Sequence[Sight], advices: Sequence[Advice]) -> Picture:
    """`advices` are those of `sights`, in the same order."""
    pairs = zip(sights, advices, strict=True)
    rows = [_row(TOP + ROW * place, sight, advice) for place, (sight, advice) in enumerate(pairs)]
    zigbee = [_zigbee(channel) for channel in band.ZIGBEE]
    return Picture(rows, zigbee, [_block(mhz, 0, str(mhz)) for mhz in MHZ_MARKS])


def _row(y: int, sight: Sight, advice: Advice) -> Row:
    wifi = sorted(advice.network.wifi)
    is_spaced = all(later - earlier >= SPACED for earlier, later in pairwise(wifi))
    blocks = [_block(band.wifi_mhz(n), band.WIFI_WIDTH_MHZ, f"Wi-Fi {n}" if is_spaced else str(n)) for n in wifi]
    return Row(y, sight.area.name, blocks, _bars(sight, advice))


def _bars(sight: Sight, advice: Advice) -> list[Bar]:
    """Each channel once: what is, before what is proposed, before what staff planned."""
    kinds: dict[int, Kind] = {}
    for channel, kind in (
        (sight.reported, Kind.TODAY),
        (advice.channel, Kind.PROPOSED),
        (sight.area.expected_channel, Kind.PLANNED),
    ):
        if channel is not None and channel in band.ZIGBEE:
            kinds.setdefault(channel, kind)
    return [Bar(_zigbee(c), kind, bool(band.covering(c, advice.network.wifi))) for c, kind in sorted(kinds.items())]


def _zigbee(channel: int) -> Block:
    return _block(band.zigbee_mhz(channel), band.ZIGBEE_WIDTH_MHZ, str(channel))


def _block(middle_mhz: float, width_mhz: float, text: str) -> Block:
    first, last = band.BAND_MHZ
    share = 100 / (last - first)
    x, width = (middle_mhz - width_mhz / 2 - first) * share, width_mhz * share
    return Block(f"{x:.2f}%", f"{width:.2f}%", f"{(middle_mhz - first) * share:.2f}%", text)

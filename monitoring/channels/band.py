"""The band at 2.4 GHz that Zigbee and Wi-Fi share: where each channel lies, and what covers what. Pure."""

from __future__ import annotations

from collections.abc import Iterable

ZIGBEE = range(11, 27)
WIFI = range(1, 15)
ZIGBEE_WIDTH_MHZ = 2
WIFI_WIDTH_MHZ = 22
"""Of the older transmission, by which access points still announce themselves; the newer one takes 20 MHz, of which it
fills 17. Both cover the same Zigbee channels: their middles are up to 9 MHz away, or at least 12."""
BAND_MHZ = (2400, 2496)


def zigbee_mhz(channel: int) -> int:
    """The middle of a Zigbee channel (IEEE 802.15.4)."""
    return 2405 + 5 * (channel - ZIGBEE.start)


def wifi_mhz(channel: int) -> int:
    """The middle of a Wi-Fi channel (IEEE 802.11); 14 is Japan's."""
    return 2484 if channel == 14 else 2407 + 5 * channel


def overlap_mhz(zigbee: int, wifi: int) -> int:
    """How much of the 2 MHz of this Zigbee channel lies within this Wi-Fi channel."""
    reach = (ZIGBEE_WIDTH_MHZ + WIFI_WIDTH_MHZ) // 2
    return min(ZIGBEE_WIDTH_MHZ, max(0, reach - abs(zigbee_mhz(zigbee) - wifi_mhz(wifi))))


def covering(zigbee: int, wifi: Iterable[int]) -> tuple[int, ...]:
    """Which of these Wi-Fi channels cover this Zigbee channel, also in part."""
    return tuple(channel for channel in sorted(set(wifi)) if overlap_mhz(zigbee, channel))

"""Which Zigbee channel each network should use, and what speaks for it. Pure: the same networks, the same plan.

What disturbs is weighed against what a change costs, in points: the plan is the one with the fewest, and what is stays
unless another one has fewer. So it is never worse than today, and a change is never proposed for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitoring.channels import band

COVERED = 150
"""For each Wi-Fi channel nearby that covers the channel: it is loud, and does not wait for Zigbee."""
SHARED = 25
"""For each network nearby on the same channel: they hear each other and take turns, so that both become slower."""
UNUSUAL = 40
"""To move to a channel that some devices were never tried on (docs of Zigbee2MQTT: use 11, 15, 20 or 25)."""
WEAK = 60
"""To move to 26, on which many devices may only send with less power."""
WEAK_CHANNEL = 26
USUAL = (11, 15, 20, 25)
MOST_STEPS = 100_000
"""So many half-made plans are looked at: all there are for seven areas or so, some half a second's worth for more."""


@dataclass(frozen=True, slots=True)
class Network:
    """An area's Zigbee network. `channel`: what it uses today, None where that is not known. `devices`: so many would
    have to follow. `wifi`: Wi-Fi channels nearby. `near`: keys of networks nearby; one of the two saying so is enough.
    """

    key: str
    channel: int | None
    devices: int = 0
    wifi: frozenset[int] = frozenset()
    near: frozenset[str] = frozenset()

    def is_near(self, other: Network) -> bool:
        return self.key != other.key and (other.key in self.near or self.key in other.near)


@dataclass(frozen=True, slots=True)
class Air:
    """What disturbs a network on a channel: Wi-Fi channels that cover it, keys of networks nearby that share it."""

    covered_by: tuple[int, ...] = ()
    shared_with: tuple[str, ...] = ()

    @property
    def is_clear(self) -> bool:
        return not self.covered_by and not self.shared_with


@dataclass(frozen=True, slots=True)
class Advice:
    """`now` is the air of today's channel as all is today, None where today's channel is not known; `then` that of the
    proposed channel when all follow the plan. `makes_room_for`: keys of networks nearby that come to today's channel.
    """

    network: Network
    channel: int
    now: Air | None
    then: Air
    makes_room_for: tuple[str, ...] = ()

    @property
    def is_change(self) -> bool:
        return self.network.channel is not None and self.channel != self.network.channel


def recommend(networks: Iterable[Network]) -> list[Advice]:
    """One for each network, by key."""
    ordered = sorted(networks, key=lambda network: network.key)
    chosen = _Search(ordered).best
    today = [network.channel for network in ordered]
    return [_advice(ordered, today, chosen, index) for index in range(len(ordered))]


def _advice(networks: Sequence[Network], today: Sequence[int | None], chosen: Sequence[int], index: int) -> Advice:
    network = networks[index]
    now = air(networks, today, index) if network.channel is not None else None
    come = tuple(
        other.key
        for other, used, then in zip(networks, today, chosen, strict=True)
        if then == network.channel != used and network.is_near(other)
    )
    return Advice(network, chosen[index], now, air(networks, chosen, index), come)


def air(networks: Sequence[Network], channels: Sequence[int | None], index: int) -> Air:
    """What disturbs the network at `index` when each uses the channel at its place."""
    network, channel = networks[index], channels[index]
    if channel is None:
        return Air()
    others = zip(networks, channels, strict=True)
    shared = tuple(other.key for other, used in others if used == channel and network.is_near(other))
    return Air(band.covering(channel, network.wifi), shared)


def points(networks: Sequence[Network], channels: Sequence[int]) -> int:
    """What a plan has against it: what disturbs, and what it costs to get there."""
    own = sum(_own(network, channel) for network, channel in zip(networks, channels, strict=True))
    pairs = sum(len(air(networks, channels, index).shared_with) for index in range(len(networks))) // 2
    return own + SHARED * pairs


def change_cost(network: Network) -> int:
    """Some devices do not follow, and are paired anew by hand. Hardly anything where there are none yet."""
    if network.channel is None:
        return 0
    return min(20 + network.devices // 2, 60) if network.devices else 1


def _own(network: Network, channel: int) -> int:
    """What this channel has against it for this network, whatever the others do."""
    cost = COVERED * len(band.covering(channel, network.wifi))
    if channel == network.channel:
        return cost
    cost += change_cost(network)
    if channel == WEAK_CHANNEL:
        return cost + WEAK
    return cost if channel in USUAL else cost + UNUSUAL


class _Search:
    """All plans that could be the best one, most promising first; what can no more become better is left."""

    def __init__(self, networks: list[Network]) -> None:
        self._networks = networks
        self._near = [[n for n in range(i) if networks[n].is_near(networks[i])] for i in range(len(networks))]
        self._candidates = [_candidates(network, len(networks)) for network in networks]
        self._least = [sum(found[0][0] for found in self._candidates[i:]) for i in range(len(networks) + 1)]
        self._steps = 0
        self.best = tuple(
            network.channel or found[0][1] for network, found in zip(networks, self._candidates, strict=True)
        )
        self._fewest = points(networks, self.best)
        self._look((), 0)

    def _look(self, chosen: tuple[int, ...], cost: int) -> None:
        """Go on from a plan for the first networks that has `cost` points."""
        at = len(chosen)
        self._steps += 1
        if cost + self._least[at] >= self._fewest or self._steps > MOST_STEPS:
            return
        if at == len(self._networks):
            self.best, self._fewest = chosen, cost
            return
        for own, channel in self._candidates[at]:
            shared = sum(chosen[other] == channel for other in self._near[at])
            self._look((*chosen, channel), cost + own + SHARED * shared)


def _candidates(network: Network, count: int) -> list[tuple[int, int]]:
    """(points, channel), the fewest first. As many as there are networks are enough: of these one is always free."""
    costs = {channel: _own(network, channel) for channel in band.ZIGBEE}
    found = sorted(costs, key=lambda channel: (costs[channel], channel != network.channel, channel))
    kept = [*found[:count], *(channel for channel in found[count:] if channel == network.channel)]
    return [(costs[channel], channel) for channel in kept]

"""The channel plan: what covers what; that it is the best one, never worse than today, and always the same."""

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.channels import band, plan
from monitoring.channels.plan import Network

# --- the band --------------------------------------------------------------------------------------------------------


def test_channels_lie_where_the_standards_say() -> None:
    assert [band.zigbee_mhz(channel) for channel in (11, 15, 20, 26)] == [2405, 2425, 2450, 2480]
    assert [band.wifi_mhz(channel) for channel in (1, 6, 11, 13, 14)] == [2412, 2437, 2462, 2472, 2484]


@pytest.mark.parametrize(
    ("wifi", "covered"),
    [(1, [11, 12, 13, 14]), (6, [16, 17, 18, 19]), (11, [21, 22, 23, 24]), (13, [23, 24, 25, 26]), (14, [25, 26])],
)
def test_a_wifi_channel_covers_four_of_zigbee_and_leaves_the_gaps(wifi: int, covered: list[int]) -> None:
    assert [channel for channel in band.ZIGBEE if band.overlap_mhz(channel, wifi)] == covered


def test_between_1_6_and_11_zigbee_has_four_channels() -> None:
    assert [channel for channel in band.ZIGBEE if not band.covering(channel, (1, 6, 11))] == [15, 20, 25, 26]


# --- examples --------------------------------------------------------------------------------------------------------


def network(key: str, channel: int | None = 11, devices: int = 0, wifi: Sequence[int] = (), near: str = "") -> Network:
    return Network(key, channel, devices, frozenset(wifi), frozenset(near))


def chosen(*networks: Network) -> dict[str, int]:
    return {advice.network.key: advice.channel for advice in plan.recommend(networks)}


def test_what_nothing_disturbs_stays() -> None:
    (advice,) = plan.recommend([network("a", 20, 47, wifi=[1, 6, 11])])
    assert (advice.channel, advice.is_change, advice.then.is_clear) == (20, False, True)


def test_out_of_wifi_into_the_nearest_gap() -> None:
    (advice,) = plan.recommend([network("a", 11, 79, wifi=[1, 6, 11])])
    assert (advice.channel, advice.is_change) == (15, True)
    assert advice.now is not None
    assert (advice.now.covered_by, advice.then.covered_by) == ((1,), ())


def test_one_neighbour_on_the_same_channel_is_no_reason_to_pair_eighty_devices_anew() -> None:
    assert chosen(network("a", 11, 80), network("b", 11, 80, near="a")) == {"a": 11, "b": 11}


def test_the_area_that_has_no_devices_yet_moves() -> None:
    assert chosen(network("a", 11, 80), network("b", 11, 0, near="a")) == {"a": 11, "b": 15}


def test_far_areas_may_share() -> None:
    assert chosen(network("a", 11, 0), network("b", 11, 0)) == {"a": 11, "b": 11}


def test_who_is_on_26_already_stays_and_nobody_is_sent_there_while_another_is_free() -> None:
    assert chosen(network("a", 26, 10)) == {"a": 26}
    assert chosen(network("a", 11, 10, wifi=[1, 2, 3, 4, 5, 6, 7, 8, 9])) == {"a": 25}


def test_a_network_that_never_told_its_channel_gets_a_free_one() -> None:
    (known, new) = plan.recommend([network("a", 11, 80), network("b", None, near="a")])
    assert (known.channel, new.channel, new.is_change, new.now) == (11, 15, False, None)


def test_the_campsite() -> None:
    """As docs/monitoring.md tells it: area 2 on 20, the others on 11, Wi-Fi on 1, 6 and 11, all near each other."""
    devices = {"1": 79, "2": 47, "3": 79, "4": 59, "5": 3, "6": 0}
    networks = [
        network(key, 20 if key == "2" else 11, count, wifi=[1, 6, 11], near="123456") for key, count in devices.items()
    ]
    found = chosen(*networks)
    assert found["2"] == 20
    assert sorted(found.values()) == [15, 15, 20, 20, 25, 25]


# --- for any networks ------------------------------------------------------------------------------------------------

KEYS = "abcde"
one = st.builds(
    Network,
    key=st.just(""),
    channel=st.sampled_from(band.ZIGBEE) | st.none(),
    devices=st.integers(0, 120),
    wifi=st.frozensets(st.sampled_from(band.WIFI), max_size=4),
    near=st.frozensets(st.sampled_from(KEYS)),
)


def named(made: list[Network]) -> list[Network]:
    return [Network(key, n.channel, n.devices, n.wifi, n.near) for key, n in zip(KEYS, made, strict=False)]


some = st.lists(one, min_size=1, max_size=len(KEYS)).map(named)
few = st.lists(one, min_size=1, max_size=2).map(named)
known = some.map(lambda made: [n for n in made if n.channel is not None])


def disturbed(networks: Sequence[Network], channels: Sequence[int]) -> int:
    """Points for what disturbs alone, without what a change costs."""
    airs = [plan.air(networks, channels, index) for index in range(len(networks))]
    return sum(2 * plan.COVERED * len(air.covered_by) + plan.SHARED * len(air.shared_with) for air in airs)


@given(known)
def test_no_plan_is_worse_than_today(networks: list[Network]) -> None:
    today = [n.channel for n in networks if n.channel is not None]
    then = [advice.channel for advice in plan.recommend(networks)]
    assert plan.points(networks, then) <= plan.points(networks, today)
    assert disturbed(networks, then) <= disturbed(networks, today)


@given(some, st.randoms(use_true_random=False))
def test_it_is_the_same_in_whatever_order_they_are_told(networks: list[Network], random) -> None:
    mixed = list(networks)
    random.shuffle(mixed)
    assert plan.recommend(mixed) == plan.recommend(networks)


@given(few)
def test_no_other_plan_has_fewer_points(networks: list[Network]) -> None:
    then = [advice.channel for advice in plan.recommend(networks)]
    fewest = min(plan.points(networks, channels) for channels in product(band.ZIGBEE, repeat=len(networks)))
    assert plan.points(networks, then) == fewest


@given(known)
def test_each_change_brings_something(networks: list[Network]) -> None:
    """Whoever did not follow the plan, alone, would be worse off, or all would."""
    advices = plan.recommend(networks)
    then = [advice.channel for advice in advices]
    for index, advice in enumerate(advices):
        if advice.is_change and advice.network.channel is not None:
            without = [*then[:index], advice.network.channel, *then[index + 1 :]]
            assert plan.points(networks, without) > plan.points(networks, then)


@given(known)
def test_nothing_changes_where_nothing_disturbs(networks: list[Network]) -> None:
    today = [n.channel for n in networks if n.channel is not None]
    if disturbed(networks, today) == 0:
        assert not any(advice.is_change for advice in plan.recommend(networks))


@given(known)
def test_once_a_plan_was_followed_nothing_needs_changing(networks: list[Network]) -> None:
    plans = plan.recommend(networks)
    followed = [Network(a.network.key, a.channel, a.network.devices, a.network.wifi, a.network.near) for a in plans]
    assert not any(advice.is_change for advice in plan.recommend(followed))


@given(some)
def test_what_is_told_of_the_air_is_so(networks: list[Network]) -> None:
    advices = plan.recommend(networks)
    then = {advice.network.key: advice.channel for advice in advices}
    for advice in advices:
        assert advice.channel in band.ZIGBEE
        assert advice.then.covered_by == band.covering(advice.channel, advice.network.wifi)
        others = [other for other in networks if then[other.key] == advice.channel and advice.network.is_near(other)]
        assert advice.then.shared_with == tuple(sorted(other.key for other in others))


def test_many_areas_take_no_longer_than_a_page_may() -> None:
    """Twenty on one channel, all near each other: not all plans can be looked at, and what is found is better."""
    keys = "abcdefghijklmnopqrst"
    networks = [network(key, 11, 50, wifi=[1, 6, 11], near=keys) for key in keys]
    then = [advice.channel for advice in plan.recommend(networks)]
    assert plan.points(networks, then) < plan.points(networks, [11] * len(keys))

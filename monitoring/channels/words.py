"""A channel plan in words: what is proposed for an area, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from babel import lists
from django.utils.translation import gettext, ngettext

from meters import ages
from monitoring.channels import plan
from monitoring.channels.plan import Advice, Air


def summary(advices: Iterable[Advice]) -> str:
    changes = sum(advice.is_change for advice in advices)
    if not changes:
        return gettext("Nothing needs changing.")
    text = ngettext("%(count)d area should change its channel.", "%(count)d areas should change theirs.", changes)
    return text % {"count": changes}


def headline(advice: Advice) -> str:
    if advice.network.channel is None:
        return gettext("Begin with %(channel)s") % {"channel": advice.channel}
    if advice.is_change:
        return gettext("%(channel)s instead of %(old)s") % {"channel": advice.channel, "old": advice.network.channel}
    return gettext("Keep %(channel)s") % {"channel": advice.channel}


def reasons(advice: Advice, names: Mapping[str, str]) -> list[str]:
    """Whole sentences. `names`: of the networks, by key."""
    said = _change(advice, names) if advice.is_change else _keep(advice, names)
    unknown = [] if advice.network.wifi else [gettext("Whether Wi-Fi disturbs it is not known.")]
    return [*said, *unknown]


def listed(words: Iterable[object]) -> str:
    """ "1, 6 and 11"."""
    return lists.format_list([str(word) for word in words], locale=ages.locale())


def _named(keys: Iterable[str], names: Mapping[str, str]) -> str:
    return listed(sorted(names[key] for key in keys))


def _keep(advice: Advice, names: Mapping[str, str]) -> Iterator[str]:
    yield from _of(advice, advice.channel, advice.then, names)
    if advice.network.channel is not None and not advice.then.is_clear:
        yield gettext("No other channel is so much better that it would be worth the change.")


def _change(advice: Advice, names: Mapping[str, str]) -> Iterator[str]:
    if advice.now and not advice.now.is_clear:
        yield from _disturbances(advice.network.channel, advice.now, names)
    if advice.makes_room_for:
        areas = _named(advice.makes_room_for, names)
        text = gettext("It makes room on %(channel)s for %(areas)s, for which there is no better one.")
        yield text % {"channel": advice.network.channel, "areas": areas}
    yield from _of(advice, advice.channel, advice.then, names)
    if advice.channel == plan.WEAK_CHANNEL:
        yield gettext("On 26 many devices may only send with less power; the others are worse.")
    elif advice.channel not in plan.USUAL:
        text = gettext("Try %(channel)s with one device of each kind first: most are only tried on 11, 15, 20 and 25.")
        yield text % {"channel": advice.channel}
    yield _cost(advice.network.devices)


def _of(advice: Advice, channel: int, air: Air, names: Mapping[str, str]) -> Iterator[str]:
    """What disturbs it, or what it is clear of."""
    if advice.network.wifi and not air.covered_by:
        text = gettext("%(channel)s is clear of Wi-Fi %(wifi)s.")
        yield text % {"channel": channel, "wifi": listed(sorted(advice.network.wifi))}
    yield from _disturbances(channel, air, names)
    if not air.shared_with:
        yield gettext("No area nearby uses %(channel)s.") % {"channel": channel}


def _disturbances(channel: int | None, air: Air, names: Mapping[str, str]) -> Iterator[str]:
    if air.covered_by:
        text = ngettext("Wi-Fi %(wifi)s covers %(channel)s.", "Wi-Fi %(wifi)s cover %(channel)s.", len(air.covered_by))
        yield text % {"wifi": listed(air.covered_by), "channel": channel}
    if air.shared_with:
        areas = _named(air.shared_with, names)
        yield gettext("%(channel)s is shared with %(areas)s.") % {"channel": channel, "areas": areas}


def _cost(devices: int) -> str:
    if not devices:
        return gettext("It has no devices yet: now the change costs nothing.")
    text = ngettext("%(count)d device has to follow.", "%(count)d devices have to follow.", devices)
    return text % {"count": devices}

"""What lists and pages show of a meter: what it reported, and what is wanted of it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from meters import commands, online, wishes, words
from meters.admin.base import NOTHING, ONLINE_VARIANTS, aged, ago, label, link, nowrap, quantity, relay
from meters.admin.devices import named
from meters.models import Meter, MeterState, Want


def status(now: online.Online) -> str:
    """The status as a coloured word, with the reason where it is not simply online."""
    word = label(online.WORDS[now.status], ONLINE_VARIANTS[now.status])
    if now.is_online:
        return word
    html = '<span class="text-right lg:text-left">{} <span class="text-base-500">{}</span></span>'
    return format_html(html, word, online.REASONS[now.reason])


def wanted(want: Want | None, is_on: bool | None, is_online: bool) -> str:
    """What is wanted, and who wants it; a warning where the relay is not so."""
    if want is None:
        return format_html('<span class="text-base-500">{}</span>', gettext("not managed"))
    wish = wishes.of(want, is_on, is_online=is_online)
    if not wish:
        word = relay(want.state)
    else:
        word = label(words.BOARD[wish], "warning" if wish.endswith("_unknown") else "danger")
    why = f"{want.get_source_display()}: {want.get_hold_display()}" if want.hold else want.get_source_display()
    return format_html('<span>{} <span class="text-base-500">{}</span></span>', word, why)


def _online(meter: Any) -> online.Online:
    """A list knows it of all its meters."""
    if not hasattr(meter, "online"):
        now = timezone.now()
        meter.online = online.status(meter, online.link(now), now)
    return meter.online


class MeterColumns:
    """Of a meter with device, area and state, from `overview.meters`."""

    @admin.display(description=_("name"), ordering="device__friendly_name")
    def name(self, meter: Meter) -> str:
        return named(meter.device)

    @admin.display(description=_("IEEE address"))
    def ieee(self, meter: Meter) -> str:
        return link("meters_device", meter.device_id, meter.device.ieee_address)

    @admin.display(description=_("area"), ordering="device__area__name")
    def area(self, meter: Meter) -> str:
        if meter.device.area is None:
            return NOTHING
        return nowrap(meter.device.area)

    @admin.display(description=_("pitch"), ordering="pitch_number")
    def pitch(self, meter: Any) -> str:
        return meter.pitch_number or NOTHING

    @admin.display(description=_("kind"))
    def kind(self, meter: Meter) -> str:
        return meter.device.get_kind_display()

    @admin.display(description=_("model"))
    def device_model(self, meter: Meter) -> str:
        return " ".join(filter(None, [meter.device.vendor, meter.device.model])) or NOTHING

    @admin.display(description=_("online"))
    def online_now(self, meter: Any) -> str:
        return status(_online(meter))

    @admin.display(description=_("last heard"), ordering="state__heard_at")
    def heard(self, meter: Meter) -> str:
        return ago(MeterState.of(meter).heard_at)

    @admin.display(description=_("relay"), ordering="state__relay")
    def relay_now(self, meter: Any) -> str:
        """Of one that is not online with its age: it may be otherwise by now."""
        return relay(MeterState.of(meter).relay) if _online(meter).is_online else self.relay_aged(meter)

    @admin.display(description=_("power"), ordering="state__power_w")
    def power(self, meter: Any) -> str:
        return quantity(MeterState.of(meter).power_w, "W") if _online(meter).is_online else self.power_aged(meter)

    @admin.display(description=_("relay"))
    def relay_aged(self, meter: Meter) -> str:
        state = MeterState.of(meter)
        return aged(relay(state.relay), state.relay_at)

    @admin.display(description=_("power"))
    def power_aged(self, meter: Meter) -> str:
        state = MeterState.of(meter)
        return aged(quantity(state.power_w, "W"), state.power_at)

    @admin.display(description=_("voltage"))
    def voltage(self, meter: Meter) -> str:
        state = MeterState.of(meter)
        return aged(quantity(state.voltage_v, "V", 1), state.voltage_at)

    @admin.display(description=_("current"))
    def current(self, meter: Meter) -> str:
        state = MeterState.of(meter)
        return aged(quantity(state.current_a, "A", 2), state.current_at)

    @admin.display(description=_("phases"))
    def phases(self, meter: Meter) -> str:
        state = MeterState.of(meter)
        if not state.phase_power_w:
            return NOTHING
        pairs = zip(meter.device.phases, state.phase_power_w, strict=False)
        return format_html_join(" · ", "{}: {}", ((name.upper(), quantity(watts, "W")) for name, watts in pairs))

    @admin.display(description=_("counter"))
    def counter(self, meter: Meter) -> str:
        state = MeterState.of(meter)
        return aged(quantity(state.counter_kwh, "kWh", 3), state.counter_at)

    @admin.display(description=_("counter"), ordering="state__counter_kwh")
    def counter_now(self, meter: Meter) -> str:
        """As the board shows it: what the meter's own counter stands at."""
        return quantity(MeterState.of(meter).counter_kwh, "kWh", 1)

    @admin.display(description=_("used since it was first heard"))
    def energy(self, meter: Meter) -> str:
        state = MeterState.of(meter)
        return quantity(state.energy_kwh, "kWh", 1) if state.counter_at else NOTHING

    @admin.display(description=_("link quality"))
    def linkquality(self, meter: Meter) -> str:
        state = MeterState.of(meter)
        return aged(quantity(state.linkquality, ""), state.linkquality_at)

    @admin.display(description=_("wanted"))
    def wanted_now(self, meter: Any) -> str:
        if not hasattr(meter, "want"):
            meter.want = commands.in_force([meter.pk], timezone.now()).get(meter.pk)
        return wanted(meter.want, MeterState.of(meter).relay, _online(meter).is_online)

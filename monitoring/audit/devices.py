"""Rules of the devices that an area lists. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.audit import profile
from monitoring.audit.facts import AreaFacts, DeviceFacts, Site
from monitoring.audit.profile import Reporting
from monitoring.audit.verdicts import UNKNOWN, Cure, Deviation, Look, Rule, of_devices, shown

OVERRIDDEN = tuple(each for each in profile.SETTINGS if each.path[0] == "device_options")


def _options(device: DeviceFacts, options: Mapping[str, Any], *, restart: bool = False) -> Cure:
    return Cure("device/options", {"id": device.ieee_address, "options": dict(options)}, restart)


def _deviation(device: DeviceFacts, now: str, wanted: str, cure: Cure | None = None) -> Deviation:
    return Deviation(now, wanted, cure, about=device.ieee_address, name=device.name)


def disabled(facts: AreaFacts, site: Site) -> Look:
    found = [
        _deviation(device, "disabled: true", "disabled: false", _options(device, {"disabled": False}, restart=True))
        for device in facts.devices
        if device.disabled
    ]
    return of_devices(found, len(facts.devices))


def own_options(facts: AreaFacts, site: Site) -> Look:
    """A device's own options win over those of all: they must not undo the profile."""
    if not facts.is_told:
        return UNKNOWN
    return of_devices(list(_undone(facts)), len(facts.devices))


def _undone(facts: AreaFacts) -> Iterator[Deviation]:
    for device in facts.devices:
        own = facts.state.setting("devices", device.ieee_address)
        for setting in OVERRIDDEN if isinstance(own, dict) else ():
            name = setting.path[1]
            if (value := own.get(name)) is not None and not setting.fits.fits(value):
                cure = _options(device, {name: setting.cured(value)})
                yield _deviation(device, f"{name}: {shown(value)}", f"{name}: {setting.fits}", cure)
                break  # one at a time


def twice_listed(facts: AreaFacts, site: Site) -> Look:
    twice = [device for device in facts.devices if len(device.areas) > 1]
    found = [_deviation(device, ", ".join(device.areas), gettext("one area")) for device in twice]
    return of_devices(found, len(facts.devices))


def firmware(facts: AreaFacts, site: Site) -> Look:
    """Other than most devices of the same make on the site have it."""
    builds: dict[str, Counter[str]] = defaultdict(Counter)
    for device in (device for each in site.areas for device in each.devices if device.software_build):
        builds[device.make][device.software_build] += 1
    usual = {make: max(sorted(counts), key=counts.__getitem__) for make, counts in builds.items()}
    told = [device for device in facts.devices if device.software_build]
    odd = [device for device in told if device.software_build != usual[device.make]]
    return of_devices([_deviation(each, each.software_build, usual[each.make]) for each in odd], len(told))


def reporting(facts: AreaFacts, site: Site) -> Look:
    """Of meters that report by themselves; those that Zigbee2MQTT polls have no intervals."""
    told = [device for device in facts.devices if device.is_meter and device.reportings]
    found = [deviation for device in told if (deviation := _interval(device))]
    return of_devices(found, len(told))


def _interval(device: DeviceFacts) -> Deviation | None:
    """The first attribute that is reported too seldom or too often."""
    for wanted in profile.REPORTINGS:
        for told in device.reportings:
            if (told["cluster"], told["attribute"]) == (wanted.cluster, wanted.attribute):
                least, most = told["minimum_report_interval"], told["maximum_report_interval"]
                if least < wanted.minimum_s or not wanted.minimum_s < most <= wanted.maximum_s:
                    now = f"{wanted.attribute}: {least}–{most} s"
                    asked = f"{wanted.attribute}: {max(least, wanted.minimum_s)}–{wanted.maximum_s} s"
                    return _deviation(device, now, asked, _report(device, told, wanted))
    return None


def _report(device: DeviceFacts, told: Mapping[str, Any], wanted: Reporting) -> Cure:
    """Only the intervals change: how much a change is has another unit with each make."""
    payload = {
        "id": device.ieee_address,
        "endpoint": told["endpoint"],
        "cluster": wanted.cluster,
        "attribute": wanted.attribute,
        "minimum_report_interval": min(max(told["minimum_report_interval"], wanted.minimum_s), wanted.maximum_s),
        "maximum_report_interval": wanted.maximum_s,
    }
    change = told["reportable_change"]
    return Cure("device/reporting/configure", payload | ({} if change is None else {"reportable_change": change}))


def outage_memory(facts: AreaFacts, site: Site) -> Look:
    told = [device for device in facts.devices if device.has_relay and device.is_meter and device.outage_memory]
    found = []
    for device in told:
        wanted = profile.OUTAGE_MEMORY.get(device.policy, profile.OUTAGE_MEMORY_ELSE)
        if device.outage_memory not in wanted:
            found.append(_deviation(device, device.outage_memory, f"{' / '.join(wanted)}{_hangs(device)}"))
    return of_devices(found, len(told))


def _hangs(device: DeviceFacts) -> str:
    return " (" + gettext("never cut automatically") + ")" if device.policy == "never_cut" else ""


RULES = (
    Rule(
        "disabled",
        _("no device is disabled"),
        _("A disabled meter is neither heard nor switched."),
        profile.DEVICES,
        False,
        disabled,
    ),
    Rule(
        "devices.options",
        _("no device undoes what holds for all"),
        _("A device's own options win over those of all devices."),
        profile.DEVICES,
        False,
        own_options,
    ),
    Rule(
        "twice_listed",
        _("each device in one area"),
        _("It belongs where it is heard; remove it from the other area in that Zigbee2MQTT, with force."),
        "guide/usage/mqtt_topics_and_messages",
        False,
        twice_listed,
    ),
    Rule(
        "firmware",
        _("one firmware a make"),
        _("Some firmwares report each second, or lose their counter. Update one by one, in quiet hours."),
        "guide/usage/ota_updates",
        False,
        firmware,
    ),
    Rule(
        "reporting",
        _("reporting intervals"),
        _("The counter is to be told each quarter of an hour, and nothing more often than each five seconds."),
        "guide/usage/mqtt_topics_and_messages",
        False,
        reporting,
    ),
    Rule(
        "outage_memory",
        _("after a power cut"),
        _("A relay is to come back as it was; set power_outage_memory on the device's page in Zigbee2MQTT."),
        "devices/TS011F_plug_1",
        False,
        outage_memory,
    ),
)

"""What is done to one device. Each act checks, does, and leaves its entry in the audit log where its verb lives."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from meters import ages, commands, installations, names, requests
from meters.models import Area, BridgeRequest, Device, Installation, Meter, MeterState, Pitch, Source, Want
from meters.people import Person
from meters.technician.errors import TechnicianError

IDENTIFYING = timedelta(minutes=10)
"""What is wanted of a meter so that somebody hears it click ends by itself."""
INTERVIEW_S = 120
NO_LOAD_W = 5


class Gone(TechnicianError):
    code = "gone"
    message = _("No area lists this device any more. Let it join again: hold its button until its lamp flashes.")


class Depended(TechnicianError):
    code = "depended"


class StillInstalled(TechnicianError):
    code = "still_installed"


class Occupied(TechnicianError):
    """`meters` hang there already."""

    code = "occupied"


# --- Zigbee2MQTT is asked --------------------------------------------------------------------------------------------


def interview(device: Device, by: Person) -> BridgeRequest:
    """Let Zigbee2MQTT ask the device once more what it is."""
    return requests.ask_once(_area(device), "device/interview", {"id": device.ieee_address}, by, INTERVIEW_S)


def rename(device: Device, name: str, by: Person) -> BridgeRequest:
    """Give the device this name in Zigbee2MQTT. Raises names.BadName."""
    names.check(device, name)
    return requests.ask_once(_area(device), "device/rename", {"from": device.ieee_address, "to": name}, by)


def remove(device: Device, by: Person, *, force: bool = False) -> BridgeRequest:
    """Take the device out of its Zigbee network; its meter and all that it measured stay. `force`: it does not answer,
    Zigbee2MQTT only forgets it. Raises StillInstalled: whose power would be measured by nobody?"""
    meter = Meter.objects.filter(device=device).first()
    if meter and (hung := installations.open_installation(meter)):
        raise StillInstalled(format_lazy(_("It hangs on {pitch}: take it down first."), pitch=str(hung.pitch)))
    return requests.ask_once(_area(device), "device/remove", {"id": device.ieee_address, "force": force}, by)


def check_listed(meter: Meter) -> None:
    """Raise Gone: what it measures nobody hears."""
    if meter.device.removed_at:
        raise Gone


def _area(device: Device) -> Area:
    if device.area is None or device.removed_at:
        raise Gone
    return device.area


# --- which one is it? ------------------------------------------------------------------------------------------------


def identify(meter: Meter, by: Person) -> bool:
    """Move its relay, so that whoever stands there hears it; returns where to. The want ends by itself.

    Raises Depended where somebody has, or is to have, power from it: nobody is cut to find a meter.
    """
    with transaction.atomic():
        locked = Meter.objects.select_for_update(no_key=True, of=("self",)).select_related("device").get(pk=meter.pk)
        now = timezone.now()
        if why := why_not_identify(locked, now):
            raise Depended(why)
        state = not MeterState.of(locked).relay
        commands.order([locked], state, by=by, until=now + IDENTIFYING)
    return state


def why_not_identify(meter: Meter, now: datetime) -> str:
    """Why its relay must not be moved; "" where it may."""
    state = MeterState.of(meter)
    if meter.device.removed_at:
        return str(Gone.message)
    if not meter.device.has_relay:
        return str(_("This meter has no relay: it measures only."))
    if state.relay is None and meter.device.relay_readable:
        return str(_("Where its relay stands has not been told yet. It is being asked; wait a moment."))
    if commands.depends(commands.serving([meter.pk], now).get(meter.pk, []), now):
        return str(_("Its pitch is occupied, or never to be switched by itself: it is not cut to find it."))
    if any(_is_meant(want, now) for want in meter.wants.filter(ended_at=None)):
        return str(_("Somebody wants something of its relay: it is left as it is."))
    if state.relay is not False and (state.power_w or 0) > NO_LOAD_W:
        text = _("It told {watts} W {when}: it is not cut to find it.")
        return str(format_lazy(text, watts=state.power_w, when=ages.ago(state.power_at or now, now)))
    return ""


def _is_meant(want: Want, now: datetime) -> bool:
    """In force, and not merely ours from a moment ago."""
    if want.until and want.until <= now:
        return False
    return not _is_identifying(want)


def _is_identifying(want: Want) -> bool:
    is_short = want.until is not None and want.until - want.created_at <= IDENTIFYING
    return want.source == Source.STAFF and is_short and not want.reason


# --- up and down -----------------------------------------------------------------------------------------------------


def install(
    meter: Meter, pitch: Pitch, by: Person, *, read_kwh: Decimal | None = None, beside_others: bool = False
) -> Installation:
    """From now on the meter serves the pitch; pressed twice, it is the same installation.

    Raises Gone, StillInstalled where it hangs elsewhere by now, Occupied where other meters hang on the pitch and it
    was not said that this one comes beside them, or an InstallationError.
    """
    check_listed(meter)
    with transaction.atomic():
        Meter.objects.select_for_update().get(pk=meter.pk)
        Pitch.objects.select_for_update(no_key=True).get(pk=pitch.pk)  # of two who hang one there, one sees the other
        hung = installations.open_installation(meter)
        if hung and hung.pitch_id == pitch.pk:
            return hung
        if hung:
            text = _("It hangs on {pitch} by now: somebody was faster. Take it down there first.")
            raise StillInstalled(format_lazy(text, pitch=str(hung.pitch)))
        others = Installation.objects.filter(pitch=pitch, period__upper_inf=True).select_related("meter__device")
        if others and not beside_others:
            text = _("On pitch {pitch} hangs {meters} already.")
            raise Occupied(format_lazy(text, pitch=str(pitch), meters=", ".join(str(each.meter) for each in others)))
        made = installations.install(meter, pitch, timezone.now(), by, read_kwh=read_kwh)
        _stop_identifying(meter, by)
    return made


def take_down(meter: Meter, by: Person, reason: str, read_kwh: Decimal | None = None) -> Installation:
    """From now on the meter serves no pitch. Raises an InstallationError."""
    return installations.end(meter, timezone.now(), by, reason=reason, read_kwh=read_kwh)


def _stop_identifying(meter: Meter, by: Person) -> None:
    """From now on its pitch decides."""
    if any(_is_identifying(want) for want in meter.wants.filter(source=Source.STAFF, ended_at=None)):
        commands.end(meter, Source.STAFF, by)

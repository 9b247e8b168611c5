"""A device's page, step by step, and what its buttons do. They decide nothing: meters/technician/acts.py does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from meters import commands, installations, live, names, online, requests
from meters.models import AreaState, BridgeRequest, Device, Installation, Meter, MeterState, Pitch
from meters.technician import acts, exchange, find, reporting, stages, words
from meters.technician.errors import TechnicianError
from meters.technician.forms import DownForm, NameForm, PitchForm, first_error, suggested_name
from meters.technician.pages import asked, technicians_only
from meters.zigbee2mqtt import freshness

REFUSALS = (TechnicianError, names.BadName, installations.InstallationError)
TOLD_FOR = timedelta(hours=1)
UNTIL_HEARD = (stages.Stage.INTERVIEWING, stages.Stage.LEFT, stages.Stage.UNHEARD)


@require_safe
@technicians_only()
def device(request: HttpRequest, ieee: str) -> HttpResponse:
    """One device: what it waits for, and all that a technician does to it."""
    found = _device(ieee)
    return render(request, "technician/device.html", _told(request, found, timezone.now()))


def _device(ieee: str) -> Device:
    if not find.ADDRESS.fullmatch(ieee):
        raise Http404
    return get_object_or_404(Device.objects.select_related("area__state", "meter__state"), ieee_address=ieee)


def _told(request: HttpRequest, found: Device, now: datetime) -> dict[str, Any]:
    arrival = stages.of(found, now)
    last = _last(arrival, now)
    heard = _heard(arrival.meter, now) if arrival.meter else None
    stage, todo = words.standing(arrival, heard)
    tells = AreaState.of(found.area).configuration if found.area else {}
    told: dict[str, Any] = {
        "device": found,
        "arrival": arrival,
        "stage": stage,
        "todo": todo,
        "is_approximate": bool(tells) and not freshness.tells_last_seen(tells),
        "is_heard": heard is not None and heard.is_online,
        "waits_until": None if heard is None or heard.is_online else commands.waits_until(now),
        "outcome": words.outcome(last) if last else None,
        "asked": last,
        "is_waiting": words.is_waiting(last) or arrival.stage in UNTIL_HEARD,
        "name": suggested_name(found),
        "may_install": request.user.has_perm("meters.add_installation"),
        "may_switch": request.user.has_perm("meters.switch_meter"),
        "now": live.ms(now),
        "moment": now,
    }
    return told | (_of_meter(request, arrival.meter, arrival.hung, now) if arrival.meter else {})


def _last(arrival: stages.Arrival, now: datetime) -> BridgeRequest | None:
    """What was last asked about the device, unless that is old, or from before it joined this time."""
    asked = requests.last_of(arrival.device)
    if asked is None or asked.finished_at is None:
        return asked
    is_old = now - asked.finished_at > TOLD_FOR or asked.finished_at < arrival.joined_at
    return None if is_old else asked


def _of_meter(request: HttpRequest, meter: Meter, hung: Installation | None, now: datetime) -> dict[str, Any]:
    exchanged = exchange.last_of(meter)
    heir_of = exchanged.old.meter if exchanged and stages.is_unnamed(meter.device) else None
    suggested = None if hung else installations.suggestions([meter]).get(meter.pk)
    number = asked(request, "pitch") or (suggested.number if suggested else "")
    return {
        "meter": meter,
        "state": MeterState.of(meter),
        "why_not": acts.why_not_identify(meter, now),
        "pitch": number,
        "there": _hanging(number) if number and not hung else [],
        "pitches": [] if hung else Pitch.objects.values_list("number", flat=True),
        "presets": reporting.PRESETS.items(),
        "reported": reporting.asked(meter.device),
        "seen": reporting.seen(meter, now),
        "exchanged": exchanged,
        "heir_of": heir_of,
        "heirloom": heir_of.device.friendly_name if heir_of else "",
    }


def _heard(meter: Meter, now: datetime) -> online.Online:
    return online.status(meter, online.link(now), now)


def _hanging(number: str) -> list[Installation]:
    """What hangs on the pitch of this number."""
    present = Installation.objects.filter(pitch__number__iexact=number, period__upper_inf=True)
    return list(present.select_related("meter__device", "pitch"))


# --- what its buttons do ---------------------------------------------------------------------------------------------


@require_POST
@technicians_only()
def act(request: HttpRequest, ieee: str, verb: str) -> HttpResponse:
    """Do it, say what came of it, and lead back to the page."""
    if verb not in VERBS:
        raise Http404
    may, do = VERBS[verb]
    if may and not request.user.has_perm(may):
        raise PermissionDenied
    found = _device(ieee)
    try:
        if told := do(request, found):
            messages.success(request, told)
    except REFUSALS as error:
        messages.error(request, str(error))
        if isinstance(error, acts.Occupied):  # the page then offers the exchange, or to hang it beside
            return redirect(f"{_place(found)}?{urlencode({'pitch': request.POST.get('pitch', '')[:40]})}#step-pitch")
    return redirect(_place(found))


def _place(found: Device) -> str:
    return reverse("technician_device", args=[found.ieee_address])


def _interview(request: HttpRequest, found: Device) -> str:
    acts.interview(found, request.user)
    return ""


def _identify(request: HttpRequest, found: Device) -> str:
    wants_on = acts.identify(_meter(found), request.user)
    if not _heard(_meter(found), timezone.now()).is_online:
        return gettext("The order waits for it.")
    return gettext("It goes on: listen.") if wants_on else gettext("It goes off: listen.")


def _name(request: HttpRequest, found: Device) -> str:
    acts.rename(found, _cleaned(NameForm(request.POST))["name"], request.user)
    return ""


def _install(request: HttpRequest, found: Device) -> str:
    typed = _cleaned(PitchForm(request.POST))
    made = acts.install(
        _meter(found), typed["pitch"], request.user, read_kwh=typed["read_kwh"], beside_others=typed["beside"]
    )
    return gettext("%(meter)s now hangs on %(pitch)s.") % {"meter": found, "pitch": made.pitch}


def _take_down(request: HttpRequest, found: Device) -> str:
    typed = _cleaned(DownForm(request.POST))
    ended = acts.take_down(_meter(found), request.user, typed["reason"], typed["read_kwh"])
    return gettext("%(installation)s has ended.") % {"installation": ended}


def _remove(request: HttpRequest, found: Device) -> str:
    acts.remove(found, request.user, force=request.POST.get("force") == "yes")
    return ""


def _report(request: HttpRequest, found: Device) -> str:
    preset = request.POST.get("preset", "")
    if preset not in reporting.PRESETS:
        raise Http404
    reporting.ask(found, preset, request.user)
    return ""


def _meter(found: Device) -> Meter:
    meter: Meter | None = getattr(found, "meter", None)
    if meter is None:
        raise Http404
    return meter


def _cleaned(form: forms.Form) -> dict[str, Any]:
    if not form.is_valid():
        raise TechnicianError(first_error(form))
    return form.cleaned_data


VERBS: dict[str, tuple[str, Callable[[HttpRequest, Device], str]]] = {
    "interview": ("", _interview),
    "identify": ("meters.switch_meter", _identify),
    "name": ("", _name),
    "install": ("meters.add_installation", _install),
    "take-down": ("meters.add_installation", _take_down),
    "report": ("", _report),
    "remove": ("", _remove),
}
"""What may be asked in the address: the permission that it needs besides, and what does it; it says what came of it."""

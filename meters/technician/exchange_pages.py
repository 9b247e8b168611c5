"""The guided exchange: which one goes, which one comes, what their counters stand at, why. It decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from meters import installations, live
from meters.models import Device, Meter
from meters.technician import exchange, find
from meters.technician.device_pages import REFUSALS
from meters.technician.forms import ExchangeForm, first_error
from meters.technician.pages import asked, technicians_only

MAY = "meters.add_installation"
FREE_SHOWN = 30


@require_http_methods(["GET", "HEAD", "POST"])
@technicians_only(MAY)
def page(request: HttpRequest) -> HttpResponse:
    """`?old=` and `?new=` are what was scanned, typed or chosen; how far one has come stands in the address."""
    asked_old, asked_new = asked(request, "old"), asked(request, "new")
    old, old_found = _meant(asked_old)
    new, new_found = _meant(asked_new)
    form = ExchangeForm(request.POST or None)
    if request.method == "POST" and old and new:
        if form.is_valid() and (answer := _exchange(request, old, new, form.cleaned_data)):
            return answer
        if form.errors:
            messages.error(request, first_error(form))
    now = timezone.now()
    told = {
        "old": _side(old, now),
        "new": _side(new, now),
        "old_found": old_found,
        "new_found": new_found,
        "asked_old": asked_old,
        "asked_new": asked_new,
        "free": [] if new else list(installations.free()[:FREE_SHOWN]),
        "form": form,
        "now": live.ms(now),
        "latest": timezone.localtime(now).strftime("%Y-%m-%dT%H:%M"),
    }
    return render(request, "technician/exchange.html", told)


@require_POST
@technicians_only(MAY)
def ask(request: HttpRequest) -> HttpResponse:
    """Ask both meters for their counters now, and go on where one was."""
    chosen = {side: request.POST.get(side, "") for side in ("old", "new")}
    for ieee in filter(find.ADDRESS.fullmatch, chosen.values()):
        exchange.ask_counter(get_object_or_404(Meter, device__ieee_address=ieee), timezone.now())
    return redirect(f"{reverse('technician_exchange')}?{urlencode(chosen)}")


def _exchange(request: HttpRequest, old: Meter, new: Meter, typed: dict[str, Any]) -> HttpResponse | None:
    """Lead to the new meter; None where it was refused."""
    try:
        made = exchange.exchange(
            old,
            new,
            typed["at"] or timezone.now().replace(microsecond=0),
            request.user,
            typed["reason"],
            old_kwh=typed["old_kwh"],
            new_kwh=typed["new_kwh"],
        )
    except REFUSALS as error:
        messages.error(request, str(error))
        return None
    done = gettext("%(new)s has taken the place of %(old)s on pitch %(pitch)s.")
    messages.success(request, done % {"new": new, "old": old, "pitch": made.pitch})
    return redirect("technician_device", new.device.ieee_address)


def _meant(text: str) -> tuple[Meter | None, Sequence[Device]]:
    """The meter that this means; else those of which one may be meant."""
    found = [device for device in find.find(text) if hasattr(device, "meter")] if text else []
    if len(found) != 1:
        return None, found
    return Meter.objects.select_related("device__area", "state").get(device=found[0]), []


def _side(meter: Meter | None, now: datetime) -> dict[str, Any] | None:
    if meter is None:
        return None
    return {
        "meter": meter,
        "hung": installations.open_installation(meter),
        "counter": exchange.counter(meter),
    }

"""The technician's first pages: areas, one area, finding a meter, labels. They show; they decide nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from meters import live
from meters.models import Area, Device
from meters.technician import door, find, labels, reminders, stages, words
from meters.technician.errors import TechnicianError

NEEDS = ("meters.view_meter", "meters.add_bridgerequest")
"""Permissions without which a technician's pages are not shown."""
View = Callable[..., HttpResponse]


def technicians_only(*more: str) -> Callable[[View], View]:
    """For staff who may ask Zigbee2MQTT, and have these permissions besides."""

    def decorate(view: View) -> View:
        @staff_member_required
        @never_cache
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.has_perms((*NEEDS, *more)):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return decorate


@require_safe
@technicians_only()
def start(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    new = stages.new_counts(now)
    told = {
        "areas": [(each, new.get(each.area.pk, 0)) for each in door.doors(now)],
        "reminders": reminders.reminders(now),
        "now": live.ms(now),
    }
    return render(request, "technician/start.html", told)


@require_safe
@technicians_only()
def area(request: HttpRequest, slug: str) -> HttpResponse:
    """An area's door with its countdown, and who has come through it."""
    now = timezone.now()
    doors = door.doors(now)
    ours = next((each for each in doors if each.area.slug == slug), None)
    if ours is None:
        raise Http404
    new, idle = stages.arrivals(ours.area.pk, now)
    others = [each for each in doors if each is not ours and (each.is_open or each.is_opening)]
    told = {
        "door": ours,
        "others": others,
        "new": _worded([each for each in new if each.stage is not stages.Stage.DONE]),
        "done": _worded([each for each in new if each.stage is stages.Stage.DONE]),
        "idle": _worded(idle),
        "now": live.ms(now),
    }
    return render(request, "technician/area.html", told)


@require_POST
@technicians_only()
def open_area(request: HttpRequest, slug: str) -> HttpResponse:
    found = get_object_or_404(Area, slug=slug)
    try:
        door.open_area(found, request.user, beside_others=request.POST.get("beside") == "yes")
    except TechnicianError as error:
        messages.error(request, str(error))
    return redirect("technician_area", slug)


@require_POST
@technicians_only()
def close_area(request: HttpRequest, slug: str) -> HttpResponse:
    """`back`: the area from whose page another one is closed."""
    door.close_area(get_object_or_404(Area, slug=slug), request.user)
    back = Area.objects.filter(slug=request.POST.get("back", "").replace("\0", "")).first()
    return redirect("technician_area", back.slug if back else slug)


@require_safe
@technicians_only()
def search(request: HttpRequest) -> HttpResponse:
    """What ?q= means: at once the only one, else a list to choose from."""
    text = asked(request, "q")
    found = find.find(text) if text else []
    if len(found) == 1:
        return redirect("technician_device", found[0].ieee_address)
    return render(request, "technician/found.html", {"found": found, "query": text})


@require_safe
@technicians_only()
def print_labels(request: HttpRequest) -> HttpResponse:
    """Labels to be printed: of ?meter= (addresses), or of all meters of ?area=; in the ?size= of a sheet."""
    size = request.GET.get("size", "")
    chosen = _chosen(request)
    told = {
        "labels": labels.of(chosen, request),
        "sizes": labels.SIZES.items(),
        "size": size if size in labels.SIZES else next(iter(labels.SIZES)),
        "areas": Area.objects.order_by("name"),
        "area": request.GET.get("area", ""),
        "meters": request.GET.getlist("meter"),
        "skip": range(_skipped(request)),
    }
    return render(request, "technician/labels.html", told)


def asked(request: HttpRequest, name: str) -> str:
    """What the address says, without what no table takes."""
    return request.GET.get(name, "").replace("\0", "").strip()


def _chosen(request: HttpRequest) -> Sequence[Device]:
    present = Device.objects.filter(meter__isnull=False, removed_at=None).select_related("area")
    if meters := [text for text in request.GET.getlist("meter") if find.ADDRESS.fullmatch(text)]:
        return list(present.filter(ieee_address__in=meters[: labels.MOST]))
    if slug := asked(request, "area"):
        return list(present.filter(area__slug=slug).order_by("friendly_name")[: labels.MOST])
    return []


def _skipped(request: HttpRequest) -> int:
    """So many labels of a used sheet are gone."""
    text = asked(request, "skip")
    return min(int(text), 23) if text.isdecimal() and len(text) < 3 else 0


def _worded(arrivals: Sequence[stages.Arrival]) -> list[tuple[stages.Arrival, Any, Any]]:
    """Each with its stage and what to do, in words."""
    return [
        (each, words.STAGES[each.stage], words.SLOW if each.is_slow else words.TODO[each.stage]) for each in arrivals
    ]

"""Sirvoy's rooms: read-only, but for saying which pitch one is, and taking that back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminTextInputWidget

from bookings import stays
from bookings.models import Room, Stay
from bookings.reception.forms import PitchField
from meters.admin.base import NOTHING, ReadOnlyAdmin, label, link, local
from meters.admin.history import History
from meters.models import Pitch
from meters.people import person

HOW = {
    "none": (_("no pitch"), "danger"),
    "staff": (_("said by staff"), "info"),
    "name": (_("by its name"), "success"),
}
KNOWN = {
    "none": Q(pitch=None),
    "staff": Q(pitch__isnull=False, is_set_by_staff=True),
    "name": Q(pitch__isnull=False, is_set_by_staff=False),
}
PRESENT = Q(stays__status__in=Stay.PRESENT, stays__position__isnull=False)


class PitchForm(forms.Form):
    """A pitch by its number or another of its names."""

    pitch = PitchField(widget=UnfoldAdminTextInputWidget(attrs={"list": "pitches", "autocomplete": "off"}))


class HowFilter(admin.SimpleListFilter):
    title = _("pitch")
    parameter_name = "how"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(how, words) for how, (words, _variant) in HOW.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Room]) -> QuerySet[Room]:
        return queryset.filter(KNOWN.get(self.value() or "", Q()))


@admin.register(Room)
class RoomAdmin(History, ReadOnlyAdmin):
    list_display = ["called", "number", "is_pitch", "how", "guests"]
    list_filter = [HowFilter]
    search_fields = ["name", "=sirvoy_id", "=pitch__number"]
    search_help_text = _("name or number in Sirvoy, or pitch")
    fields = ["called", "number", "is_pitch", "how", "sayer", "guests", "named", "first_seen"]
    change_form_outer_before_template = "admin/bookings/room_pitch.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Room]:
        found: QuerySet[Room] = super().get_queryset(request).select_related("pitch", "set_by")
        return found.annotate(guests_now=Count("stays", filter=PRESENT))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.pitch_view))
        return [path("<int:room_id>/pitch/", view, name="bookings_room_pitch"), *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        context: dict[str, Any] = {}
        if self._may(request) and (room := self.get_object(request, object_id)):
            numbers = Pitch.objects.values_list("number", flat=True)
            context = {"room": room, "pitch_form": PitchForm(), "pitches": numbers}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def pitch_view(self, request: HttpRequest, room_id: int) -> HttpResponse:
        """Say which pitch the room is, or (`back`) take that back."""
        if not self._may(request):
            raise PermissionDenied
        room, form = get_object_or_404(Room, pk=room_id), PitchForm(request.POST)
        if "back" in request.POST:
            stays.assign_room(room, None, person(request.user), timezone.now())
            messages.success(request, _taken_back(Room.objects.select_related("pitch").get(pk=room.pk)))
        elif form.is_valid():
            pitch = form.cleaned_data["pitch"]
            stays.assign_room(room, pitch, person(request.user), timezone.now())
            text = gettext("Room “%(room)s” is pitch %(pitch)s.")
            messages.success(request, text % {"room": room, "pitch": pitch})
        else:
            messages.error(request, f"{form['pitch'].label}: {' '.join(map(str, form.errors['pitch']))}")
        return HttpResponseRedirect(reverse("admin:bookings_room_change", args=[room.pk]))

    def _may(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("bookings.change_room"))

    @admin.display(description=_("name in Sirvoy"), ordering="name")
    def called(self, room: Room) -> str:
        return str(room)

    @admin.display(description=_("number in Sirvoy"), ordering="sirvoy_id")
    def number(self, room: Room) -> str:
        return str(room.sirvoy_id or NOTHING)

    @admin.display(description=_("pitch"), ordering="pitch__number")
    def is_pitch(self, room: Room) -> str:
        return link("meters_pitch", room.pitch_id, room.pitch) if room.pitch else NOTHING

    @admin.display(description=_("how it is known"))
    def how(self, room: Room) -> str:
        if room.pitch is None:
            return label(*HOW["none"])
        return label(*HOW["staff" if room.is_set_by_staff else "name"])

    @admin.display(description=_("said by"))
    def sayer(self, room: Room) -> str:
        return str(room.set_by or NOTHING)

    @admin.display(description=_("guests here and to come"), ordering="guests_now")
    def guests(self, room: Any) -> str:
        return str(room.guests_now)

    @admin.display(description=_("so named as of"))
    def named(self, room: Room) -> str:
        return local(room.named_at)

    @admin.display(description=_("first seen"))
    def first_seen(self, room: Room) -> str:
        return local(room.first_seen_at)


def _taken_back(room: Room) -> str:
    if room.pitch is None:
        return gettext("Room “%(room)s” is no pitch again: none has its name.") % {"room": room}
    return gettext("Room “%(room)s” is pitch %(pitch)s again, by its name.") % {"room": room, "pitch": room.pitch}

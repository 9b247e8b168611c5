"""Bookings as Sirvoy tells them: read-only, but for forgetting a guest and bringing in a file of Sirvoy's."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from bookings import privacy
from bookings.admin import csv_import
from bookings.admin.asking import question
from bookings.admin.guests import WithGuests, name_of
from bookings.models import Booking, Stay
from meters.admin.base import NOTHING, ReadOnlyInline, label, local
from meters.commands.rules import person

STATES = {
    "cancelled": (_("cancelled"), ""),
    "left": (_("checked out"), ""),
    "came": (_("checked in"), "success"),
    "confirmed": (_("confirmed"), "info"),
    "asked": (_("not confirmed"), "warning"),
}


class StayInline(ReadOnlyInline):
    model = Stay
    fields = readonly_fields = ["pitch", "booked_pitch", "arrival", "departure", "status", "unclear"]
    ordering = ["position", "pk"]


@admin.register(Booking)
class BookingAdmin(WithGuests):
    list_display = ["sirvoy_id", "guest_name", "pitches", "arrival", "departure", "state", "channel"]
    list_filter = ["is_checked_in", "is_cancelled", "arrival", "departure"]
    personal = ["guest_name"]
    search_fields = ["=sirvoy_id", "=stays__pitch__number"]
    search_help_text = _("booking number or pitch")
    search_personal = ["guest__last_name", "guest__first_name", "guest__business_name", "guest__plates"]
    search_personal_help_text = _("booking number, name, pitch or number plate")
    date_hierarchy = "arrival"
    fields = [
        *("sirvoy_id", "guest_name", "state", "arrival", "departure", "adults", "channel", "as_of", "event"),
        "extras",
    ]
    inlines = [StayInline]
    actions = ["erase_guests"]
    list_before_template = "admin/bookings/import_link.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Booking]:
        stays = Prefetch("stays", Stay.objects.select_related("pitch").order_by("position", "pk"))
        found: QuerySet[Booking] = super().get_queryset(request)
        return found.select_related("guest").prefetch_related(stays)

    def get_urls(self) -> list[URLPattern]:
        def import_view(request: HttpRequest) -> HttpResponse:
            return csv_import.page(self, request)

        return [
            path("import/", self.admin_site.admin_view(import_view), name="bookings_booking_import"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        context = {"may_import": csv_import.may_import(request)}
        return super().changelist_view(request, (extra_context or {}) | context)

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("bookings.delete_guest"))

    @admin.action(description=_("Forget these guests; what they used and paid stays"), permissions=["erase"])
    def erase_guests(self, request: HttpRequest, queryset: QuerySet[Booking]) -> HttpResponse | None:
        count = queryset.count()
        text = ngettext(
            "Forget %(count)d guest? The name and all else that is known of a person is gone for good.",
            "Forget %(count)d guests? Their names and all else that is known of the persons are gone for good.",
            count,
        )
        if asking := question(self, request, text % {"count": count}):
            return asking
        done = 0
        for booking in queryset:
            try:
                privacy.erase(booking, person(request.user), timezone.now())
                done += 1
            except privacy.StillNeeded as error:
                messages.warning(request, f"{booking}: {error}")
        text = ngettext("%(count)d guest was forgotten.", "%(count)d guests were forgotten.", done)
        if done:
            messages.success(request, text % {"count": done})
        return None

    @admin.display(description=_("guest"), ordering="guest__last_name")
    def guest_name(self, booking: Booking) -> str:
        return name_of(booking)

    @admin.display(description=_("pitches"))
    def pitches(self, booking: Booking) -> str:
        numbers = (stay.pitch.number for stay in booking.stays.all() if stay.pitch and stay.position is not None)
        return ", ".join(dict.fromkeys(numbers)) or NOTHING

    @admin.display(description=_("status"))
    def state(self, booking: Booking) -> str:
        """The strongest that Sirvoy says."""
        told = {
            "cancelled": booking.is_cancelled,
            "left": booking.is_checked_out,
            "came": booking.is_checked_in,
            "confirmed": booking.is_confirmed,
            "asked": True,
        }
        return label(*STATES[next(name for name, is_so in told.items() if is_so)])

    @admin.display(description=_("as of"), ordering="generated_at")
    def as_of(self, booking: Booking) -> str:
        return local(booking.generated_at)

    @admin.display(description=_("extras"))
    def extras(self, booking: Booking) -> str:
        texts = (f"{item.get('quantity') or 1} × {item.get('description') or '?'}" for item in booking.items)
        return ", ".join(texts) or NOTHING

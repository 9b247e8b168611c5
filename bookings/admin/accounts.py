"""Tariffs and packages' texts, which staff edit; what was sold, charged and told, which nobody edits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from bookings import accounts, mail, prices
from bookings.admin import departures, taken_along
from bookings.admin.guests import WithGuests
from bookings.models import Booking, Charge, PackageNotice, PackagePattern, PackageSale, Tariff
from meters.admin.base import NOTHING, label, link, local, quantity
from meters.models import Pitch
from meters.people import person

PATTERN_WORDS = {
    "empty": _("This would fit every extra: write at least a letter."),
    "two_numbers": _("Only one # can stand for the kWh."),
    "no_kwh": _("Say how many kWh it is, or put a # where the text has them."),
}
EXAMPLES_OF = 500
"""Newest bookings whose extras are looked through for examples."""
MOST_EXAMPLES = 10


# --- what staff edit -------------------------------------------------------------------------------------------------


class TariffForm(forms.ModelForm):
    kinds = forms.MultipleChoiceField(
        label=capfirst(Tariff._meta.get_field("kinds").verbose_name),
        choices=Pitch.Kind.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        labels = {"included_kwh_day": _("Included a night, kWh"), "included_kwh_stay": _("Included a stay, kWh")}


@admin.register(Tariff)
class TariffAdmin(ModelAdmin):
    form = TariffForm
    save_as = True  # a new price is the old tariff with another day
    list_display = ["name", "mode", "for_kinds", "season_only", "valid_from", "price", "cut_when_empty"]
    list_filter = ["mode", "season_only"]
    fieldsets = [
        (None, {"fields": ["name", "mode", "kinds", "season_only", "valid_from"]}),
        (
            _("Price"),
            {
                "fields": ["price", "vat_percent", "included_kwh_day", "included_kwh_stay"],
                "description": _(
                    "A change also changes the accounts of guests who came under this tariff. For a new price make a "
                    "new tariff, with the day from which it is for arrivals."
                ),
            },
        ),
        (_("Packages that run low"), {"fields": ["low_kwh", "cut_when_empty", "grace_h"]}),
    ]

    @admin.display(description=_("kinds of pitch"))
    def for_kinds(self, tariff: Tariff) -> str:
        words = dict(Pitch.Kind.choices)
        return ", ".join(str(words.get(kind, kind)) for kind in tariff.kinds)


class PatternForm(forms.ModelForm):
    def clean(self) -> dict[str, Any]:
        told: dict[str, Any] = super().clean() or self.cleaned_data
        if told.get("pattern"):
            try:
                prices.check_pattern(told["pattern"], told.get("kwh"))
            except prices.PatternError as error:
                raise forms.ValidationError(PATTERN_WORDS[error.code], error.code) from error
        return told


@admin.register(PackagePattern)
class PackagePatternAdmin(ModelAdmin):
    form = PatternForm
    list_display = ["pattern", "kwh"]
    fields = ["pattern", "kwh", "examples"]
    readonly_fields = ["examples"]

    def save_model(self, request: HttpRequest, obj: PackagePattern, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not recognised(obj):
            messages.warning(request, gettext("No extra of the newest bookings has such a text."))

    @admin.display(description=_("recognises, among the newest bookings"))
    def examples(self, pattern: PackagePattern) -> str:
        found = recognised(pattern) if pattern.pk else {}
        lines = ((text, quantity(kwh, "kWh", 2)) for text, kwh in list(found.items())[:MOST_EXAMPLES])
        return format_html_join("", "<div>{} → {}</div>", lines) or NOTHING


def recognised(pattern: PackagePattern) -> dict[str, Any]:
    """The extras of the newest bookings that this text fits, with the kWh of each."""
    newest = Booking.objects.order_by("-pk").values_list("items", flat=True)[:EXAMPLES_OF]
    texts = {str(item.get("description") or "") for items in newest for item in items}
    found = {text: prices.package_kwh(text, [(pattern.pattern, pattern.kwh)]) for text in sorted(texts)}
    return {text: kwh for text, kwh in found.items() if kwh is not None}


# --- what nobody edits -----------------------------------------------------------------------------------------------


class OfBooking(WithGuests):
    """Rows of a booking, found by its number, or by its guest's name."""

    search_fields = ["=booking__sirvoy_id"]
    search_help_text = _("booking number")
    search_personal = ["booking__guest__last_name"]
    search_personal_help_text = _("booking number or last name")

    @admin.display(description=_("booking"), ordering="booking__sirvoy_id")
    def number(self, row: Any) -> str:
        return link("bookings_booking", row.booking_id, row.booking)

    @admin.display(description=_("when"), ordering="at")
    def moment(self, row: Any) -> str:
        return local(row.at)


@admin.register(PackageSale)
class PackageSaleAdmin(OfBooking):
    list_display = ["moment", "number", "energy_kwh", "price", "by", "reason"]
    fields = ["moment", "number", "energy_kwh", "price", "vat_percent", "by", "reason"]
    list_filter = ["at", "by"]
    list_select_related = ["booking", "by"]


@admin.register(Charge)
class ChargeAdmin(OfBooking):
    """What was charged; the departures list and the files for the accounts are here too."""

    list_display = ["moment", "number", "mode", "energy_kwh", "price", "amount", "by"]
    fields = ["moment", "number", "mode", "energy_kwh", "price", "vat_percent", "amount", "by"]
    list_filter = ["mode", "at", "by"]
    list_select_related = ["booking", "by"]

    def get_urls(self) -> list[URLPattern]:
        return [
            path("departures/", self._view(departures.page), name="bookings_charge_departures"),
            path("departures/export/", self._view(departures.export), name="bookings_charge_export"),
            path("data/", self._view(taken_along.page), name="bookings_charge_data"),
            path("data/export/", self._view(taken_along.export), name="bookings_charge_data_export"),
            *super().get_urls(),
        ]

    def _view(self, page: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return page(self, request, *args, **kwargs)

        return self.admin_site.admin_view(view)


@admin.register(PackageNotice)
class PackageNoticeAdmin(OfBooking):
    list_display = ["found", "number", "kind", "told", "how", "by", "error", "over"]
    fields = ["found", "number", "kind", "told", "how", "by", "error", "over"]
    list_filter = ["level", ("ended_at", admin.EmptyFieldListFilter), ("told_at", admin.EmptyFieldListFilter)]
    list_select_related = ["booking", "by"]
    actions = ["note_told"]

    def has_tell_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("bookings.change_packagenotice"))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if request.method == "GET" and mail.state() is not mail.State.READY:
            messages.warning(request, mail.state().words)
        return super().changelist_view(request, extra_context)

    @admin.action(description=_("The guest was told"), permissions=["tell"])
    def note_told(self, request: HttpRequest, queryset: QuerySet[PackageNotice]) -> None:
        by = person(request.user)
        done = sum(accounts.told(notice, by, timezone.now()) for notice in queryset.select_related("booking"))
        text = ngettext("%(count)d guest was told.", "%(count)d guests were told.", done)
        messages.success(request, text % {"count": done})

    @admin.display(description=_("found"), ordering="found_at")
    def found(self, notice: PackageNotice) -> str:
        return local(notice.found_at)

    @admin.display(description=_("what"), ordering="level")
    def kind(self, notice: PackageNotice) -> str:
        is_empty = notice.level == PackageNotice.Level.EMPTY
        return label(notice.get_level_display(), "danger" if is_empty else "warning")

    @admin.display(description=_("told"), ordering="told_at")
    def told(self, notice: PackageNotice) -> str:
        return local(notice.told_at)

    @admin.display(description=_("over"), ordering="ended_at")
    def over(self, notice: PackageNotice) -> str:
        return local(notice.ended_at)

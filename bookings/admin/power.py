"""How power follows the bookings, by the kind of pitch: four rows that are changed, never added or deleted; and what
was used without a guest.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import formats
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from bookings.admin import vacancy
from bookings.models import PowerRule
from meters.admin.base import NOTHING, ToldAdmin, label
from meters.admin.history import History


class RuleForm(forms.ModelForm):
    def clean(self) -> dict[str, Any]:
        told: dict[str, Any] = super().clean() or {}
        begins, ends = told.get("cleaning_from"), told.get("cleaning_until")
        if (begins is None) != (ends is None):
            raise forms.ValidationError(_("Cleaning needs both a beginning and an end, or neither."))
        if begins is not None and ends is not None and begins >= ends:
            self.add_error("cleaning_until", _("Cleaning must end after it begins, on the same day."))
        return told


@admin.register(PowerRule)
class PowerRuleAdmin(History, ToldAdmin):
    form = RuleForm
    list_display = ["kind", "follows", "vacant", "grace", "overdue", "cleaning"]
    readonly_fields = ["kind"]
    fieldsets = [
        (None, {"fields": ["kind", "follows_bookings", "when_vacant"]}),
        (_("After check-out time"), {"fields": ["grace_min", "overdue_h"]}),
        (
            _("Cleaning"),
            {
                "fields": [("cleaning_from", "cleaning_until")],
                "description": _("Power for cleaning on the day of departure, by the campsite's clock."),
            },
        ),
    ]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.vacancy_view)
        return [path("without-guest/", view, name="bookings_powerrule_vacancy"), *super().get_urls()]

    def vacancy_view(self, request: HttpRequest) -> HttpResponse:
        return vacancy.page(self, request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("power follows bookings"), ordering="follows_bookings")
    def follows(self, rule: PowerRule) -> str:
        return label(gettext("yes"), "success") if rule.follows_bookings else label(gettext("no"))

    @admin.display(description=_("without a guest"))
    def vacant(self, rule: PowerRule) -> str:
        return str(rule.get_when_vacant_display()) if rule.follows_bookings else NOTHING

    @admin.display(description=_("after check-out"))
    def grace(self, rule: PowerRule) -> str:
        told = ngettext("%(n)d more minute", "%(n)d more minutes", rule.grace_min) % {"n": rule.grace_min}
        return told if rule.follows_bookings else NOTHING

    @admin.display(description=_("without check-out"))
    def overdue(self, rule: PowerRule) -> str:
        told = ngettext("%(n)d more hour", "%(n)d more hours", rule.overdue_h) % {"n": rule.overdue_h}
        return told if rule.follows_bookings else NOTHING

    @admin.display(description=_("cleaning"))
    def cleaning(self, rule: PowerRule) -> str:
        if not rule.follows_bookings or rule.cleaning_from is None or rule.cleaning_until is None:
            return NOTHING
        return f"{formats.time_format(rule.cleaning_from)} – {formats.time_format(rule.cleaning_until)}"

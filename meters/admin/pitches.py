"""Pitches: staff's form, and the meters that serve each now."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from meters import overview
from meters.admin.base import NOTHING, PeriodColumns, ReadOnlyInline, ToldAdmin, link
from meters.admin.history import History
from meters.models import Installation, Pitch


class HungInline(PeriodColumns, ReadOnlyInline):
    """Which meters served this pitch from when to when."""

    model = Installation
    verbose_name_plural = _("Meters on this pitch")
    fields = readonly_fields = ["meter_link", "since", "until"]
    ordering = ["-period"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Installation]:
        return super().get_queryset(request).select_related("meter__device")

    @admin.display(description=_("meter"))
    def meter_link(self, installation: Installation) -> str:
        return links([installation])


@admin.register(Pitch)
class PitchAdmin(History, ToldAdmin):
    list_display = ["number", "kind", "switching", "meters_now", "occupied_until"]
    list_filter = ["kind", "policy"]
    search_fields = ["number", "aliases"]
    fields = ["number", "aliases", "kind", "policy", "fuse_a", "map_x", "map_y"]
    inlines = [HungInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pitch]:
        present = Prefetch("installations", overview.installed(timezone.now()), to_attr="present")
        return super().get_queryset(request).prefetch_related(present)

    def get_inlines(self, request: HttpRequest, obj: Pitch | None = None) -> list[type[HungInline]]:
        return [HungInline] if obj else []

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **kwargs | {"labels": {"policy": _("Switching")}})

    @admin.display(description=_("switching"), ordering="policy")
    def switching(self, pitch: Pitch) -> str:
        return pitch.get_policy_display()

    @admin.display(description=_("meters now"))
    def meters_now(self, pitch: Pitch) -> str:
        return links(getattr(pitch, "present", [])) or NOTHING


def links(installations: list[Installation]) -> str:
    """The meters' names, each leading to the meter."""
    return format_html_join(", ", "{}", ((link("meters_meter", each.meter_id, each.meter),) for each in installations))

"""Meters: staff's card with the reported state, and the ways to a meter's other pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.views import ChangeList

from meters import commands, installations, online, overview
from meters.admin import pages
from meters.admin.base import PeriodColumns, ReadOnlyInline, ToldAdmin
from meters.admin.columns import MeterColumns
from meters.admin.commands import CommandInline, WantInline
from meters.admin.filters import OnlineFilter, OnPitchFilter, PresentMeters
from meters.admin.history import History
from meters.admin.records import EpochColumns, QuarantinedColumns
from meters.admin.switching import Switching
from meters.models import CounterEpoch, Installation, Meter, Pitch, QuarantinedReading, Source
from meters.technician import pages as technician


class HungInline(PeriodColumns, ReadOnlyInline):
    model = Installation
    verbose_name_plural = _("Where it hung")
    fields = readonly_fields = ["pitch", "since", "until"]
    ordering = ["-period"]


class EpochInline(EpochColumns, ReadOnlyInline):
    model = CounterEpoch
    fields = readonly_fields = ["number", "happened", "first_at", "first", "last_at", "last", "energy"]
    ordering = ["-number"]


class QuarantinedInline(QuarantinedColumns, ReadOnlyInline):
    model = QuarantinedReading
    fields = readonly_fields = ["measured_at", "counter", "expected", "happened"]


class MeterList(ChangeList):
    """Looks up once for all rows what the link is, and what is wanted."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        now = timezone.now()
        link = online.link(now)
        self.result_list = list(self.result_list)
        wants = commands.in_force([meter.pk for meter in self.result_list], now)
        for meter in self.result_list:
            meter.online = online.status(meter, link, now)
            meter.want = wants.get(meter.pk)


@admin.register(Meter)
class MeterAdmin(MeterColumns, Switching, History, ToldAdmin):
    list_display = ["name", "area", "pitch", "online_now", "relay_now", "wanted_now", "power", "counter_now", "heard"]
    list_filter = [OnlineFilter, "device__area", "device__kind", OnPitchFilter, PresentMeters]
    search_fields = ["device__friendly_name", "device__ieee_address", "pitch_number"]
    search_help_text = _("name, IEEE address or pitch")
    change_form_outer_before_template = "admin/meters/meter_links.html"
    inlines = [WantInline, CommandInline, HungInline, EpochInline, QuarantinedInline]
    actions = ["switch_on", "switch_off", "let_go", "install_on_suggested"]
    reported = [
        *("online_now", "heard", "relay_aged", "wanted_now", "power_aged", "voltage", "current", "phases"),
        *("counter", "energy", "linkquality"),
    ]
    identity = ["name", "ieee", "area", "pitch", "kind", "device_model"]
    readonly_fields = [*reported, *identity]
    fieldsets = [
        (None, {"fields": reported}),
        (_("Written by staff"), {"fields": ["rated_a", "note"]}),
        (_("Device"), {"fields": identity}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return overview.meters(timezone.now())

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return MeterList

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_install_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("meters.add_installation")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:meter_id>/readings/", view(self.readings_view), name="meters_meter_readings"),
            path("<int:meter_id>/hours/", view(self.hours_view), name="meters_meter_hours"),
            path("<int:meter_id>/export/", view(self.export_view), name="meters_meter_export"),
            path("<int:meter_id>/install/", view(require_POST(self.install_view)), name="meters_meter_install"),
            *super().get_urls(),
        ]

    # --- the change page and its neighbours ---

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        meter = self.get_object(request, object_id)
        context = self._ways(request, meter) if isinstance(meter, Meter) else {}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def _ways(self, request: HttpRequest, meter: Meter) -> dict[str, Any]:
        """What meter_links.html offers."""
        present = installations.open_installation(meter)
        may = self.has_install_permission(request)
        suggested = installations.suggestions([meter]).get(meter.pk) if may and present is None else None
        may_switch = self.has_switch_permission(request) and meter.device.has_relay and not meter.device.removed_at
        return {
            "meter": meter,
            "present": present,
            "suggested": suggested,
            "may_install": may,
            "may_guide": may and request.user.has_perms(technician.NEEDS),
            "may_switch": may_switch,
            "held": may_switch and meter.wants.filter(source=Source.STAFF, ended_at=None).exists(),
        }

    def readings_view(self, request: HttpRequest, meter_id: int) -> HttpResponse:
        return pages.readings(self, request, self._viewable(request, meter_id))

    def hours_view(self, request: HttpRequest, meter_id: int) -> HttpResponse:
        return pages.hours(self, request, self._viewable(request, meter_id))

    def export_view(self, request: HttpRequest, meter_id: int) -> HttpResponseBase:
        meter = self._viewable(request, meter_id)
        answer = pages.export(request, meter)
        return answer or HttpResponseRedirect(reverse("admin:meters_meter_hours", args=[meter.pk]))

    def _viewable(self, request: HttpRequest, meter_id: int) -> Meter:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(overview.meters(timezone.now()), pk=meter_id)

    def install_view(self, request: HttpRequest, meter_id: int) -> HttpResponse:
        """One click: install the meter on the pitch that the button named."""
        if not self.has_install_permission(request):
            raise PermissionDenied
        meter = self._viewable(request, meter_id)
        pitch = get_object_or_404(Pitch, number=request.POST.get("pitch", ""))
        try:
            installations.install(meter, pitch, timezone.now(), request.user)
        except installations.InstallationError as error:
            messages.error(request, str(error))
        else:
            done = gettext("%(meter)s now hangs on %(pitch)s.")
            messages.success(request, done % {"meter": meter, "pitch": pitch})
        return HttpResponseRedirect(reverse("admin:meters_meter_change", args=[meter.pk]))

    @admin.action(description=_("Install on the suggested pitch"), permissions=["install"])
    def install_on_suggested(self, request: HttpRequest, queryset: QuerySet[Meter]) -> HttpResponse | None:
        """First shows what would be done, then does it."""
        meters = list(queryset.select_related("device"))
        suggested = installations.suggestions(meters)
        rows = [(meter, suggested.get(meter.pk), getattr(meter, "pitch_number", None)) for meter in meters]
        if "confirmed" in request.POST:
            _install_all(request, [(m, pitch) for m, pitch, present in rows if pitch and pitch.number != present])
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Install on the suggested pitch"),
            "opts": self.opts,
            "rows": rows,
            "to_do": sum(pitch is not None and pitch.number != present for _m, pitch, present in rows),
        }
        return TemplateResponse(request, "admin/meters/install_suggested.html", context)


def _install_all(request: HttpRequest, pairs: list[tuple[Meter, Pitch]]) -> None:
    done, now = 0, timezone.now()
    for meter, pitch in pairs:
        try:
            installations.install(meter, pitch, now, request.user)
        except installations.InstallationError as error:
            messages.error(request, f"{meter}: {error}")
        else:
            done += 1
    text = ngettext("%(count)d meter was installed.", "%(count)d meters were installed.", done)
    messages.success(request, text % {"count": done})

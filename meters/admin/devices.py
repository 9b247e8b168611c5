"""Every Zigbee device that an area lists, repeaters too. Read-only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.views import ChangeList

from meters import names, online, zigbee2mqtt
from meters.admin.base import NOTHING, ReadOnlyAdmin, ago, label
from meters.admin.bridge import AsksOfDevices, may_ask
from meters.admin.filters import NameFilter, PresentDevices
from meters.models import AreaState, Device

AVAILABLE = {
    True: (_("available"), "success"),
    False: (_("unavailable"), "danger"),
    None: (_("unknown"), "warning"),
}


def named(device: Device) -> str:
    """The name, flagged where Zigbee2MQTT cannot work with it."""
    problem = zigbee2mqtt.bad_name(device.friendly_name)
    if problem is None:
        return device.friendly_name
    return format_html("{} {}", device.friendly_name, label(_("bad name"), "danger", names.PROBLEMS[problem]))


class DeviceList(ChangeList):
    """Looks up once for all rows what the link is."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        link = online.link(timezone.now())
        self.result_list = list(self.result_list)
        for device in self.result_list:
            device.link = link


@admin.register(Device)
class DeviceAdmin(AsksOfDevices, ReadOnlyAdmin):
    list_display = ["name", "ieee_address", "area", "kind", "model", "available_now", "heard"]
    list_filter = ["area", "kind", PresentDevices, NameFilter]
    search_fields = ["friendly_name", "ieee_address", "model", "model_id"]
    fields = [
        *("name", "name_problem", "ieee_address", "area", "kind", "vendor", "model", "model_id", "manufacturer"),
        *("software_build", "has_relay", "phases", "interview_state", "disabled", "available_now", "available_since"),
        *("heard", "announced_at", "left_at", "first_seen_at", "joined_at", "removed_at", "supported"),
    ]
    readonly_fields = ["name", "name_problem", "available_now", "heard"]
    change_form_outer_before_template = "admin/meters/device_links.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        return super().get_queryset(request).select_related("area", "meter__state")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return DeviceList

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        device = self.get_object(request, object_id)
        is_listed = isinstance(device, Device) and device.area is not None and device.removed_at is None
        context = {"device": device, "may_ask": is_listed and may_ask(request)}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    @admin.display(description=_("name"), ordering="friendly_name")
    def name(self, device: Device) -> str:
        return named(device)

    @admin.display(description=_("problem with the name"))
    def name_problem(self, device: Device) -> str:
        problem = zigbee2mqtt.bad_name(device.friendly_name)
        return str(names.PROBLEMS[problem]) if problem else NOTHING

    @admin.display(description=_("available"), ordering="available")
    def available_now(self, device: Any) -> str:
        """What Zigbee2MQTT said counts while it runs, and while somebody listens to it."""
        if device.removed_at:
            return label(_("removed"))
        link = getattr(device, "link", None) or online.link(timezone.now())
        is_known = link.bridge(device.area_id) == AreaState.Bridge.ONLINE
        return label(*AVAILABLE[device.available if is_known else None])

    @admin.display(description=_("last heard"))
    def heard(self, device: Device) -> str:
        return ago(_heard_at(device))


def _heard_at(device: Device) -> datetime | None:
    state = getattr(getattr(device, "meter", None), "state", None)
    return state.heard_at if state else device.heard_at

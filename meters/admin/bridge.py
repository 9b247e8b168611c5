"""What technicians ask of a Zigbee2MQTT, and what it answered. Each question becomes a row: see meters/requests.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from meters import names, requests
from meters.admin.base import NOTHING, ReadOnlyAdmin, Text, label, local, nowrap
from meters.models import Area, BridgeRequest, Device

REFRESH_S = 2
WORDS: dict[str, Text] = {
    requests.BACKUP: _("hand out its backup"),
    "permit_join": _("open or close for new devices"),
    "health_check": _("check its health"),
    "coordinator_check": _("check the coordinator"),
    "restart": _("restart"),
    "networkmap": _("network map"),
    "options": _("change options"),
    "device/rename": _("rename a device"),
    "device/remove": _("remove a device"),
    "device/options": _("change a device's options"),
    "device/configure": _("configure a device again"),
    "device/interview": _("interview a device again"),
    "device/reporting/configure": _("change what a device reports"),
}
ASKED: dict[str, Text] = {"id": _("device"), "from": _("from"), "to": _("to")}
TOLD_BY_THE_REQUEST = ("time",)
VARIANTS = {"queued": "info", "sent": "info", "done": "success", "refused": "danger", "timed_out": "warning"}
OF_AREA: dict[str, tuple[str, dict[str, Any]]] = {
    "health": ("health_check", {}),
    "restart": ("restart", {}),
}


def asked_in_words(payload: Mapping[str, Any]) -> str:
    """What a Zigbee2MQTT was asked, as people read it."""
    told = {key: payload[key] for key in [*ASKED, *payload] if key in payload}
    return ", ".join(f"{ASKED.get(key, key)}: {value}" for key, value in told.items())


def may_ask(request: HttpRequest) -> bool:
    return request.user.has_perm("meters.add_bridgerequest")


def ask(request: HttpRequest, area: Area, what: str, payload: Mapping[str, Any]) -> HttpResponse:
    """Ask, and lead to the page where the answer is shown."""
    made = requests.ask(area, what, payload, request.user)
    return HttpResponseRedirect(reverse("admin:meters_bridgerequest_change", args=[made.pk]))


@admin.register(BridgeRequest)
class BridgeRequestAdmin(ReadOnlyAdmin):
    list_display = ["made", "area", "what", "asked", "whose", "outcome", "error"]
    list_filter = ["status", "area", "created_at"]
    search_fields = ["request", "by__username", "error"]
    fields = ["area", "what", "asked", "whose", "outcome", "error", "made", "sent", "finished", "answer"]
    change_form_outer_before_template = "admin/meters/request_open.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[BridgeRequest]:
        return super().get_queryset(request).select_related("area", "by")

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """The page looks again by itself until the answer has come."""
        asked = self.get_object(request, object_id)
        is_open = isinstance(asked, BridgeRequest) and asked.finished_at is None
        context = {"asked": asked, "is_open": is_open}
        answer = super().change_view(request, object_id, form_url, (extra_context or {}) | context)
        if is_open:
            answer.headers["Refresh"] = f"{REFRESH_S}; url={request.path}"
        return answer

    @admin.display(description=_("made"), ordering="created_at")
    def made(self, asked: BridgeRequest) -> str:
        return nowrap(local(asked.created_at))

    @admin.display(description=_("request"), ordering="request")
    def what(self, asked: BridgeRequest) -> str:
        if asked.request == "permit_join" and isinstance(seconds := asked.payload.get("time"), int):
            opened = gettext("open for new devices for %(seconds)d s") % {"seconds": seconds}
            return opened if seconds else gettext("close for new devices")
        return str(WORDS.get(asked.request, asked.request))

    @admin.display(description=_("by"), ordering="by")
    def whose(self, asked: BridgeRequest) -> str:
        return str(asked.by or NOTHING)

    @admin.display(description=_("asked"))
    def asked(self, asked: BridgeRequest) -> str:
        told = {key: value for key, value in asked.payload.items() if key not in TOLD_BY_THE_REQUEST}
        return asked_in_words(told)[:200] or NOTHING

    @admin.display(description=_("status"), ordering="status")
    def outcome(self, asked: BridgeRequest) -> str:
        return label(asked.get_status_display(), VARIANTS.get(asked.status, ""))

    @admin.display(description=_("sent"))
    def sent(self, asked: BridgeRequest) -> str:
        return local(asked.sent_at)

    @admin.display(description=_("finished"))
    def finished(self, asked: BridgeRequest) -> str:
        return local(asked.finished_at)

    @admin.display(description=_("answer"))
    def answer(self, asked: BridgeRequest) -> str:
        if asked.request == requests.BACKUP:
            return gettext("Shown nowhere: it holds the network's key.")
        if not asked.response:
            return NOTHING
        text = json.dumps(asked.response, indent=2, ensure_ascii=False)
        return format_html('<pre class="overflow-x-auto text-left" style="max-width: 100%">{}</pre>', text)


# --- of an area ------------------------------------------------------------------------------------------------------


class AsksOfAreas(ModelAdmin):
    """The addresses of what is asked with one click; a restart is asked about first."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [path("<int:area_id>/ask/<str:word>/", view(self.ask_view), name="meters_area_ask"), *super().get_urls()]

    def ask_view(self, request: HttpRequest, area_id: int, word: str) -> HttpResponse:
        if not may_ask(request):
            raise PermissionDenied
        if word not in OF_AREA:
            raise Http404
        area = get_object_or_404(Area, pk=area_id)
        if request.method == "POST":
            return ask(request, area, *OF_AREA[word])
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("%(area)s: %(request)s") % {"area": area, "request": WORDS[OF_AREA[word][0]]},
            "opts": self.opts,
            "area": area,
            "is_restart": word == "restart",
        }
        return TemplateResponse(request, "admin/meters/ask.html", context)


# --- of a device -----------------------------------------------------------------------------------------------------


class RenameForm(forms.Form):
    """A device's new name: one that Zigbee2MQTT takes, and can work with."""

    name = forms.CharField(label=_("New name"), max_length=names.LONGEST, widget=UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, device: Device, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.device = device

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        try:
            names.check(self.device, name)
        except names.BadName as bad:
            raise forms.ValidationError(str(bad), bad.code) from bad
        return name


class AsksOfDevices(ModelAdmin):
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        configure = view(require_POST(self.configure_view))
        return [
            path("<int:device_id>/rename/", view(self.rename_view), name="meters_device_rename"),
            path("<int:device_id>/configure/", configure, name="meters_device_configure"),
            *super().get_urls(),
        ]

    def rename_view(self, request: HttpRequest, device_id: int) -> HttpResponse:
        device, area = _askable(request, device_id)
        form = RenameForm(request.POST if request.method == "POST" else None, device=device)
        if form.is_valid():
            told = {"from": device.ieee_address, "to": form.cleaned_data["name"]}
            return ask(request, area, "device/rename", told)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Rename %(device)s") % {"device": device},
            "opts": self.opts,
            "device": device,
            "form": form,
        }
        return TemplateResponse(request, "admin/meters/rename.html", context)

    def configure_view(self, request: HttpRequest, device_id: int) -> HttpResponse:
        device, area = _askable(request, device_id)
        return ask(request, area, "device/configure", {"id": device.ieee_address})


def _askable(request: HttpRequest, device_id: int) -> tuple[Device, Area]:
    """The device and the area that lists it; 404 where none does any more."""
    if not may_ask(request):
        raise PermissionDenied
    device = get_object_or_404(Device.objects.select_related("area"), pk=device_id)
    if device.area is None or device.removed_at is not None:
        raise Http404
    return device, device.area

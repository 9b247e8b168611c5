"""Whether an area acts: before it is allowed to, the page lists what it would switch at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from meters import areas as verbs
from meters import commands
from meters.admin import switching
from meters.models import Area, Want


def held_back(areas: Sequence[Area]) -> list[Want]:
    """What these areas would switch at once if they acted."""
    ids = {area.pk for area in areas if area.control == Area.Control.OBSERVE}
    return [want for want in commands.would_switch(timezone.now()) if want.meter.device.area_id in ids]


class Control(ModelAdmin):
    """The list's actions on areas, and the page that asks before an area acts."""

    def has_switch_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return switching.may_switch(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("control/<str:control>/", view(self.control_view), name="meters_area_control"),
            *super().get_urls(),
        ]

    def control_view(self, request: HttpRequest, control: str) -> HttpResponse:
        """Takes `area` (ids, several)."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if control not in Area.Control.values:
            raise Http404
        asked = request.POST if request.method == "POST" else request.GET
        areas = list(Area.objects.filter(pk__in=switching.ids(asked.getlist("area"))))
        if not areas:
            raise Http404
        if request.method == "POST":
            _tell(request, verbs.set_control(areas, control))
            return HttpResponseRedirect(_home(areas))
        return self._page(request, areas, control)

    def _page(self, request: HttpRequest, areas: Sequence[Area], control: str) -> HttpResponse:
        acts = control == Area.Control.ACT
        names = ", ".join(area.name for area in areas)
        title = gettext("Let the software switch by itself: %(areas)s") if acts else gettext("Only observe: %(areas)s")
        context = {
            **self.admin_site.each_context(request),
            "title": title % {"areas": names},
            "opts": self.opts,
            "areas": areas,
            "control": control,
            "acts": acts,
            "wants": held_back(areas) if acts else [],
            "stop": commands.stop.current(),
            "back": _home(areas),
        }
        return TemplateResponse(request, "admin/meters/control.html", context)

    @admin.action(description=_("Switch all meters on…"), permissions=["switch"])
    def switch_all_on(self, request: HttpRequest, queryset: QuerySet[Area]) -> HttpResponse:
        return self._switch_all(request, queryset, True)

    @admin.action(description=_("Switch all meters off…"), permissions=["switch"])
    def switch_all_off(self, request: HttpRequest, queryset: QuerySet[Area]) -> HttpResponse:
        return self._switch_all(request, queryset, False)

    def _switch_all(self, request: HttpRequest, areas: QuerySet[Area], state: bool) -> HttpResponse:
        meters = switching.chosen([], list(areas.values_list("pk", flat=True)))
        if meters:
            return switching.page(self, request, meters, state)
        messages.warning(request, gettext("There are no meters."))
        return HttpResponseRedirect(reverse("admin:meters_area_changelist"))

    @admin.action(description=_("Let the software switch by itself…"), permissions=["change"])
    def act(self, request: HttpRequest, queryset: QuerySet[Area]) -> HttpResponse:
        return self._page(request, list(queryset), Area.Control.ACT)

    @admin.action(description=_("Only observe…"), permissions=["change"])
    def observe(self, request: HttpRequest, queryset: QuerySet[Area]) -> HttpResponse:
        return self._page(request, list(queryset), Area.Control.OBSERVE)


def _tell(request: HttpRequest, changed: Sequence[Area]) -> None:
    text = ngettext("%(count)d area was changed.", "%(count)d areas were changed.", len(changed))
    messages.success(request, text % {"count": len(changed)})


def _home(areas: Sequence[Area]) -> str:
    if len(areas) == 1:
        return reverse("admin:meters_area_change", args=[areas[0].pk])
    return reverse("admin:meters_area_changelist")

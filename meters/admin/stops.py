"""The stops of everything automatic, with the buttons that stop and let go on."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from meters import commands
from meters.admin.base import NOTHING, ReadOnlyAdmin, ReasonForm, label, local, nowrap
from meters.models import Area, AutomaticStop


@admin.register(AutomaticStop)
class AutomaticStopAdmin(ReadOnlyAdmin):
    list_display = ["from_when", "came_of", "reason", "whose", "until_when", "ender"]
    list_filter = ["cause", "since"]
    fields = ["from_when", "came_of", "reason", "whose", "until_when", "ender"]
    list_before_template = "admin/meters/stop.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AutomaticStop]:
        return super().get_queryset(request).select_related("by", "ended_by")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("stop/", view(require_POST(self.stop_view)), name="meters_automaticstop_stop"),
            path("resume/", view(require_POST(self.resume_view)), name="meters_automaticstop_resume"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        context = {
            "stop": commands.stop.current(),
            "acting": Area.objects.filter(control=Area.Control.ACT).count(),
            "form": ReasonForm(),
            "may_stop": request.user.has_perm("meters.add_automaticstop"),
            "may_resume": request.user.has_perm("meters.resume_automatic"),
        }
        return super().changelist_view(request, (extra_context or {}) | context)

    def stop_view(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm("meters.add_automaticstop"):
            raise PermissionDenied
        form = ReasonForm(request.POST)
        try:
            commands.stop.press(request.user, form.cleaned_data["reason"] if form.is_valid() else "")
        except commands.AlreadyStopped as error:
            messages.warning(request, str(error))
        else:
            messages.success(request, gettext("Everything automatic is stopped. What people order is still switched."))
        return HttpResponseRedirect(reverse("admin:meters_automaticstop_changelist"))

    def resume_view(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm("meters.resume_automatic"):
            raise PermissionDenied
        try:
            commands.stop.release(request.user)
        except commands.NotStopped as error:
            messages.warning(request, str(error))
        else:
            messages.success(request, gettext("The software switches by itself again."))
        return HttpResponseRedirect(reverse("admin:meters_automaticstop_changelist"))

    @admin.display(description=_("since"), ordering="since")
    def from_when(self, stop: AutomaticStop) -> str:
        return nowrap(local(stop.since))

    @admin.display(description=_("cause"), ordering="cause")
    def came_of(self, stop: AutomaticStop) -> str:
        return stop.get_cause_display() if stop.whose else NOTHING

    @admin.display(description=_("by"))
    def whose(self, stop: AutomaticStop) -> str:
        if stop.by is None and stop.cause == AutomaticStop.Cause.LIMIT:
            return gettext("the software")
        return str(stop.by or NOTHING)

    @admin.display(description=_("ended by"))
    def ender(self, stop: AutomaticStop) -> str:
        return str(stop.ended_by or NOTHING)

    @admin.display(description=_("ended"), ordering="ended_at")
    def until_when(self, stop: AutomaticStop) -> str:
        return local(stop.ended_at) if stop.ended_at else label(_("in force"), "danger")

"""Maintenance windows: what is being worked on. One that is over is history."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin

from meters.admin.base import label, local, nowrap
from meters.people import person
from monitoring.models import MaintenanceWindow

JUST_NOW = timedelta(minutes=15)
"""A window may have begun so long before it is told: somebody has to fill in the form."""
LONGEST = timedelta(days=7)
"""One that is forgotten hides what is wrong."""


class WindowStateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("now", _("going on")), ("coming", _("coming")), ("over", _("over"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[MaintenanceWindow]) -> QuerySet[MaintenanceWindow]:
        now = timezone.now()
        asked = {
            "now": {"from_at__lte": now, "to_at__gt": now},
            "coming": {"from_at__gt": now},
            "over": {"to_at__lte": now},
        }
        return queryset.filter(**asked.get(self.value() or "", {}))


class WindowForm(forms.ModelForm):
    def clean(self) -> dict[str, Any]:
        told = super().clean() or self.cleaned_data
        begins, ends, now = told.get("from_at"), told.get("to_at"), timezone.now()
        if begins and "from_at" in self.changed_data and begins < now - JUST_NOW:
            self.add_error("from_at", _("It begins now or later: what was wrong before was not planned."))
        if ends and ends <= now:
            self.add_error("to_at", _("It must end later than now."))
        if begins and ends and ends - begins > LONGEST:
            text = _("At most %(days)d days: nobody is told meanwhile. An area can also be taken out of service.")
            self.add_error("to_at", text % {"days": LONGEST.days})
        return told


@admin.register(MaintenanceWindow)
class MaintenanceWindowAdmin(ModelAdmin):
    """A window that is over is history; one that has begun can only be made to end at another time."""

    form = WindowForm
    list_display = ["scope_of_it", "why", "how_far", "begins", "ends", "by"]
    list_filter = [WindowStateFilter, "area"]
    list_select_related = ["area", "by"]
    fields = ["area", "component", "from_at", "to_at", "why"]
    actions = ["end_now"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        now = timezone.now().replace(second=0, microsecond=0)  # hours added to a local time may be more, or less
        return {"from_at": now, "to_at": now + timedelta(hours=2)}

    def get_readonly_fields(self, request: HttpRequest, obj: MaintenanceWindow | None = None) -> list[str]:
        has_begun = obj is not None and obj.from_at <= timezone.now()
        return ["area", "component", "from_at"] if has_begun else []

    def has_change_permission(self, request: HttpRequest, obj: MaintenanceWindow | None = None) -> bool:
        is_over = obj is not None and obj.to_at <= timezone.now()
        return super().has_change_permission(request, obj) and not is_over

    def has_delete_permission(self, request: HttpRequest, obj: MaintenanceWindow | None = None) -> bool:
        has_begun = obj is not None and obj.from_at <= timezone.now()
        return super().has_delete_permission(request, obj) and not has_begun

    def get_actions(self, request: HttpRequest) -> Any:
        """Not to delete many: those that have begun are history."""
        return {name: told for name, told in super().get_actions(request).items() if name != "delete_selected"}

    def save_model(self, request: HttpRequest, obj: MaintenanceWindow, form: Any, change: bool) -> None:
        obj.by = obj.by or person(request.user)
        super().save_model(request, obj, form, change)

    @admin.action(description=_("End it now"), permissions=["change"])
    def end_now(self, request: HttpRequest, chosen: QuerySet[MaintenanceWindow]) -> None:
        now = timezone.now()
        done = 0
        for window in chosen.filter(from_at__lt=now, to_at__gt=now):
            window.to_at = now
            window.save(update_fields=["to_at"])  # one by one: the audit log hears of each
            done += 1
        text = ngettext("%(count)d window has ended.", "%(count)d windows have ended.", done)
        messages.success(request, text % {"count": done})

    @admin.display(description=_("of what"))
    def scope_of_it(self, window: MaintenanceWindow) -> str:
        return capfirst(window.scope)

    @admin.display(description=_("state"), ordering="from_at")
    def how_far(self, window: MaintenanceWindow) -> str:
        now = timezone.now()
        if window.to_at <= now:
            return label(_("over"))
        return label(_("going on"), "info") if window.from_at <= now else label(_("coming"), "warning")

    @admin.display(description=_("from"), ordering="from_at")
    def begins(self, window: MaintenanceWindow) -> str:
        return nowrap(local(window.from_at))

    @admin.display(description=_("until"), ordering="to_at")
    def ends(self, window: MaintenanceWindow) -> str:
        return nowrap(local(window.to_at))

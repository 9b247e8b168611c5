"""Alerts: who is told of what, when; and what was told."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from meters.admin.base import NOTHING, ReadOnlyAdmin, ago, label, link, local, nowrap
from meters.models import Area
from monitoring import alerts
from monitoring.checks.alerting import FAILS_AFTER
from monitoring.components import Component
from monitoring.models import Alert, AlertRoute


class RouteForm(forms.ModelForm):
    areas = forms.ModelMultipleChoiceField(
        Area.objects.all(),
        label=capfirst(AlertRoute._meta.get_field("areas").verbose_name),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    components = forms.MultipleChoiceField(
        label=capfirst(AlertRoute._meta.get_field("components").verbose_name),
        choices=[(each.value, capfirst(each.label)) for each in Component],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=AlertRoute._meta.get_field("components").help_text,
    )


@admin.register(AlertRoute)
class AlertRouteAdmin(ModelAdmin):
    form = RouteForm
    list_display = ["name", "in_use", "of_what", "hours", "collected", "in_turn", "gets_through"]
    list_select_related = ["state"]
    actions = ["try_out"]
    actions_submit_line = ["save_and_try_out"]
    fieldsets = [
        (None, {"fields": ["name", "is_active", "language"]}),
        (_("Of what it is told"), {"fields": ["severity", "areas", "components"]}),
        (_("At which times"), {"fields": [("from_time", "to_time"), "wakes", ("digest", "digest_at")]}),
        (_("How often, and in which turn"), {"fields": ["after_min", "repeat_after_min"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertRoute]:
        return super().get_queryset(request).prefetch_related("areas")

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """One that is just being made can be tested, too: the theme offers that only of what is there."""
        buttons = {"actions_submit_line": self.get_actions_submit_line(request, object_id)}
        return super().changeform_view(request, object_id, form_url, buttons | (extra_context or {}))

    @admin.display(description=_("in use"), boolean=True, ordering="is_active")
    def in_use(self, route: AlertRoute) -> bool:
        return route.is_active

    @admin.display(description=_("of what"))
    def of_what(self, route: AlertRoute) -> str:
        chosen = [str(area) for area in route.areas.all()] + [str(Component(each).label) for each in route.components]
        parts = ", ".join(chosen) or gettext("everything")
        least = gettext("at least")
        return f"{least} {route.get_severity_display()} · {parts}"

    @admin.display(description=_("at which times"))
    def hours(self, route: AlertRoute) -> str:
        if route.from_time is None or route.to_time is None:
            return gettext("always")
        times = f"{route.from_time:%H:%M}–{route.to_time:%H:%M}"
        return gettext("%(times)s, criticals always") % {"times": times} if route.wakes else times

    @admin.display(description=_("collected"))
    def collected(self, route: AlertRoute) -> str:
        return f"{route.get_digest_display()}, {route.digest_at:%H:%M}" if route.digest else NOTHING

    @admin.display(description=_("turn"), ordering="after_min")
    def in_turn(self, route: AlertRoute) -> str:
        return (
            gettext("after %(minutes)d min") % {"minutes": route.after_min} if route.after_min else gettext("at once")
        )

    @admin.display(description=_("last told"))
    def gets_through(self, route: AlertRoute) -> str:
        state = getattr(route, "state", None)
        if state and state.failures:
            return label(gettext("fails"), "danger" if state.failures >= FAILS_AFTER else "warning")
        return ago(state.told_at if state else None)

    @admin.action(description=_("Test: tell it something now"), permissions=["change"])
    def try_out(self, request: HttpRequest, chosen: QuerySet[AlertRoute]) -> None:
        for route in chosen:
            _try_out(request, route)

    @action(description=_("Save and test"), permissions=["change"])  # type: ignore[untyped-decorator]
    def save_and_try_out(self, request: HttpRequest, obj: AlertRoute) -> None:
        transaction.on_commit(lambda: _try_out(request, obj))


def _try_out(request: HttpRequest, route: AlertRoute) -> None:
    if alerts.test(route):
        messages.success(request, gettext("%(route)s was told. See whether it arrived.") % {"route": route})
        return
    if alerts.has_address(route):
        text = gettext("%(route)s could not be told. Look at its address in ALERT_URLS.")
    else:
        text = gettext("%(route)s has no address: ALERT_URLS has no line of this name. Add one, then restart.")
    messages.error(request, text % {"route": route})


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ["made", "route", "kind", "told_of", "told", "attempts"]
    list_filter = ["route", "kind"]
    list_select_related = ["route", "incident"]
    fields = ["made", "route", "kind", "told_of", "told", "attempts"]

    @admin.display(description=_("made"), ordering="made_at")
    def made(self, alert: Alert) -> str:
        return nowrap(local(alert.made_at))

    @admin.display(description=_("incident"))
    def told_of(self, alert: Alert) -> str:
        return link("monitoring_incident", alert.incident_id, alert.incident.what)

    @admin.display(description=_("told"), ordering="told_at")
    def told(self, alert: Alert) -> str:
        return local(alert.told_at)

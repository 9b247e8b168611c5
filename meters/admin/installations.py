"""Installations: made and ended through the verbs of meters/installations.py, never edited in place."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSplitDateTimeWidget

from meters import installations
from meters.admin.base import PeriodColumns
from meters.admin.filters import PresentInstallations
from meters.models import Installation, Meter

READ = ("start_kwh", "end_kwh", "end_reason")
"""What people read and said when it was put up and taken down."""


def this_second() -> datetime:
    return timezone.now().replace(microsecond=0)


class InstallForm(forms.ModelForm):
    """Which meter serves which pitch, from when on."""

    at = forms.SplitDateTimeField(label=_("From"), initial=this_second, widget=UnfoldAdminSplitDateTimeWidget)

    class Meta:
        model = Installation
        fields = ["meter", "pitch"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if {"meter", "pitch", "at"} <= cleaned.keys():
            try:
                installations.check(cleaned["meter"], cleaned["pitch"], cleaned["at"])
            except installations.InstallationError as error:
                raise forms.ValidationError(str(error), error.code) from error
        return cleaned


class EndForm(forms.Form):
    at = forms.SplitDateTimeField(label=_("Until"), initial=this_second, widget=UnfoldAdminSplitDateTimeWidget)


@admin.register(Installation)
class InstallationAdmin(PeriodColumns, ModelAdmin):
    form = InstallForm
    list_display = ["meter", "pitch", "since", "until"]
    list_filter = [PresentInstallations, "pitch__kind"]
    list_per_page = 100
    search_fields = ["meter__device__friendly_name", "meter__device__ieee_address", "pitch__number"]
    autocomplete_fields = ["meter", "pitch"]
    ordering = ["-period"]
    actions = ["end_now"]
    change_form_outer_before_template = "admin/meters/end_installation.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Installation]:
        return super().get_queryset(request).select_related("meter__device", "pitch")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["meter", "pitch", "since", "until", *READ] if obj else ["meter", "pitch", "at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["since", "until", *READ] if obj else []

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # --- made ---

    def save_model(self, request: HttpRequest, obj: Installation, form: Any, change: bool) -> None:
        made = installations.install(obj.meter, obj.pitch, form.cleaned_data["at"], request.user)
        obj.pk, obj.period = made.pk, made.period
        obj._state.adding = False

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        try:
            return super().add_view(request, form_url, extra_context)
        except installations.InstallationError as error:  # somebody was faster
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())

    # --- ended ---

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.end_view))
        return [path("<int:installation_id>/end/", view, name="meters_installation_end"), *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        installation = self.get_object(request, object_id)
        is_open = isinstance(installation, Installation) and installation.period.upper is None
        context = {"end_form": EndForm(), "installation": installation} if is_open and self._may(request) else {}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def end_view(self, request: HttpRequest, installation_id: int) -> HttpResponse:
        if not self._may(request):
            raise PermissionDenied
        installation = get_object_or_404(self.get_queryset(request), pk=installation_id)
        form = EndForm(request.POST)
        if not form.is_valid():
            messages.error(request, gettext("This is no time."))
        elif _end(request, installation, form.cleaned_data["at"]):
            messages.success(request, gettext("%(installation)s has ended.") % {"installation": installation})
        return HttpResponseRedirect(reverse("admin:meters_installation_change", args=[installation.pk]))

    @admin.action(description=_("End now"), permissions=["add"])
    def end_now(self, request: HttpRequest, queryset: QuerySet[Installation]) -> None:
        now = timezone.now()
        done = sum(_end(request, installation, now) for installation in queryset)
        text = ngettext("%(count)d installation has ended.", "%(count)d installations have ended.", done)
        messages.success(request, text % {"count": done})

    def _may(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request)


def _end(request: HttpRequest, installation: Installation, at: datetime) -> bool:
    """End it unless it has ended; what is refused is told."""
    meter: Meter = installation.meter
    if installation.period.upper is not None:
        messages.warning(request, gettext("%(installation)s has ended already.") % {"installation": installation})
        return False
    try:
        installations.end(meter, at, request.user)
    except installations.InstallationError as error:
        messages.error(request, f"{meter}: {error}")
        return False
    return True

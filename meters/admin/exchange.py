"""The page on which a meter is exchanged: another one takes its pitch at the same moment."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSplitDateTimeWidget

from meters import installations
from meters.admin.base import local
from meters.admin.bridge import may_ask
from meters.admin.installations import this_second
from meters.models import Installation, Meter

LOOK_AGAIN_S = 15
"""Where no meter is free, the page looks again by itself: the new one is just being paired."""


class FreeMeterField(forms.ModelChoiceField):
    default_error_messages = {"invalid_choice": _("This meter is no longer free; choose another one.")}
    widget = UnfoldAdminSelectWidget

    def label_from_instance(self, obj: Any) -> str:
        device = obj.device
        parts = [device.friendly_name, device.area, gettext("first seen") + " " + local(device.first_seen_at)]
        return " · ".join(str(part) for part in parts if part)


class ExchangeForm(forms.Form):
    """Which meter takes the old one's place, and when it did."""

    new = FreeMeterField(Meter.objects.none(), label=_("New meter"))
    at = forms.SplitDateTimeField(
        label=_("Time of the exchange"), initial=this_second, widget=UnfoldAdminSplitDateTimeWidget
    )

    def __init__(self, *args: Any, old: Installation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.old = old
        self.fields["new"].queryset = installations.free()  # type: ignore[attr-defined]

    def clean_at(self) -> Any:
        at = self.cleaned_data["at"]
        try:
            installations.check_end(self.old.meter, at)
        except installations.InstallationError as error:
            raise forms.ValidationError(str(error), error.code) from error
        return at

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if {"new", "at"} <= cleaned.keys():
            try:
                installations.check(cleaned["new"], self.old.pitch, cleaned["at"])
            except installations.InstallationError as error:
                self.add_error("new", forms.ValidationError(str(error), error.code))
        return cleaned


def page(model_admin: ModelAdmin, request: HttpRequest, meter: Meter) -> HttpResponse:
    """Asks which meter takes this one's place, and exchanges them; then leads to the new one."""
    old = installations.open_installation(meter)
    if old is None:
        messages.error(request, gettext("The meter hangs on no pitch."))
        return HttpResponseRedirect(reverse("admin:meters_meter_change", args=[meter.pk]))
    old.meter = meter
    form = ExchangeForm(request.POST if request.method == "POST" else None, old=old)
    if form.is_valid() and _exchange(request, meter, form):
        return HttpResponseRedirect(reverse("admin:meters_meter_change", args=[form.cleaned_data["new"].pk]))
    any_free = installations.free().exists()
    context = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Exchange %(meter)s") % {"meter": meter},
        "opts": model_admin.opts,
        "meter": meter,
        "pitch": old.pitch,
        "form": form if any_free else None,
        "area": meter.device.area if may_ask(request) else None,
    }
    headers = {} if any_free else {"Refresh": f"{LOOK_AGAIN_S}; url={request.path}"}
    return TemplateResponse(request, "admin/meters/exchange.html", context, headers=headers)


def _exchange(request: HttpRequest, old: Meter, form: ExchangeForm) -> bool:
    new = form.cleaned_data["new"]
    try:
        made = installations.replace(old, new, form.cleaned_data["at"], request.user)
    except installations.InstallationError as error:  # somebody was faster
        form.add_error(None, forms.ValidationError(str(error), error.code))
        return False
    done = gettext("%(new)s has taken the place of %(old)s on pitch %(pitch)s.")
    messages.success(request, done % {"new": new, "old": old, "pitch": made.pitch})
    return True

"""What was typed on reception's pages, read: nothing is decided here."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from bookings import rooms
from meters import installations
from meters.models import Meter


class NoteForm(forms.Form):
    note = forms.CharField(label=_("Note"), max_length=250, required=False)


class PitchField(forms.CharField):
    """A pitch by its number or another of its names."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=40, label=_("Pitch"), **kwargs)

    def clean(self, value: Any) -> Any:
        told = super().clean(value)
        pitch = rooms.Pitches().get(told)
        if pitch is None:
            raise forms.ValidationError(_("There is no pitch “%(told)s”."), params={"told": told})
        return pitch


class MomentField(forms.DateTimeField):
    """Of the browser's field for a time, by the campsite's clock."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"], **kwargs)


class PitchForm(forms.Form):
    pitch = PitchField()


class OutletForm(forms.Form):
    number = forms.CharField(label=_("Number on the stand"), max_length=40)


class MeterForm(forms.Form):
    meter = forms.ModelChoiceField(Meter.objects.select_related("device__area"), label=_("Outlet"))


class ReasonForm(MeterForm):
    reason = forms.CharField(label=_("Reason"), max_length=250, required=False)


class SwitchForm(ReasonForm):
    until = MomentField(label=_("Until"))


class ExchangeForm(MeterForm):
    new = forms.ModelChoiceField(Meter.objects.none(), label=_("New meter"))
    reason = forms.CharField(label=_("Reason"), max_length=250)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new"].queryset = installations.free()  # type: ignore[attr-defined]


class LateForm(forms.Form):
    until = MomentField(label=_("May stay until"))


class CorrectionForm(forms.Form):
    kwh = forms.DecimalField(label=_("kWh"), max_digits=9, decimal_places=3, localize=True)
    reason = forms.CharField(label=_("Reason"), max_length=250)


class PackageForm(forms.Form):
    kwh = forms.DecimalField(label=_("kWh"), max_digits=8, decimal_places=2, localize=True)
    price = forms.DecimalField(label=_("Price incl. VAT"), max_digits=9, decimal_places=2, localize=True)
    note = forms.CharField(label=_("Note"), max_length=250, required=False)


class ChargeForm(forms.Form):
    """`expected`: what the person saw, and typed into Sirvoy."""

    expected = forms.DecimalField(max_digits=10, decimal_places=2)


class LanguageForm(forms.Form):
    language = forms.ChoiceField(label=_("Language"), required=False, choices=[("", ""), *settings.LANGUAGES])

"""What a technician types."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from meters import names
from meters.models import Device, Pitch


class CounterField(forms.DecimalField):
    """A counter as it stands on the display, in kWh; nothing where nobody could read it."""

    def __init__(self, **kwargs: Any) -> None:
        told: dict[str, Any] = {"required": False, "min_value": Decimal(0), "max_value": Decimal(9_999_999)}
        super().__init__(**told | {"decimal_places": 3} | kwargs)

    def to_python(self, value: Any) -> Any:
        """A comma is as good as a point."""
        return super().to_python(value.strip().replace(",", ".") if isinstance(value, str) else value)


class NameForm(forms.Form):
    name = forms.CharField(max_length=names.LONGEST, strip=True)


class PitchForm(forms.Form):
    """A pitch by its number, as staff type it. `beside`: other meters hang there, and this one comes beside them."""

    pitch = forms.CharField(max_length=40)
    read_kwh = CounterField()
    beside = forms.BooleanField(required=False)

    def clean_pitch(self) -> Pitch:
        number = self.cleaned_data["pitch"].strip()
        found = Pitch.objects.filter(number__iexact=number)[:2]
        if len(found) != 1:
            raise forms.ValidationError(_("There is no pitch of this number."), "unknown_pitch")
        return found[0]


class DownForm(forms.Form):
    reason = forms.CharField(max_length=250, error_messages={"required": _("Say why the meter is taken down.")})
    read_kwh = CounterField()


class ExchangeForm(forms.Form):
    """`at`: empty: now."""

    reason = forms.CharField(max_length=250, error_messages={"required": _("Say why the meter is exchanged.")})
    old_kwh = CounterField()
    new_kwh = CounterField()
    at = forms.DateTimeField(required=False, input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


def first_error(form: forms.Form) -> str:
    return str(next(iter(form.errors.values()))[0])


def suggested_name(device: Device) -> str:
    """Its name where somebody gave it one."""
    return "" if device.friendly_name.lower() == device.ieee_address else device.friendly_name

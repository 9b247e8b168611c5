"""What was typed and refused, kept for the next page: its form is filled and opened again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest

KEY, LONGEST = "reception-typed", 250


def keep(request: HttpRequest, form: forms.Form) -> None:
    """Until the next page: the address of the form, and what stood in its fields."""
    values = {name: request.POST[name][:LONGEST] for name in form.fields if name in request.POST}
    if values:
        request.session[KEY] = {"action": request.path, "values": values}


def take(request: HttpRequest) -> dict[str, Any] | None:
    """What was kept, once."""
    found: dict[str, Any] | None = request.session.pop(KEY, None)
    return found

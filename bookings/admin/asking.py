"""The question before an action of the admin that cannot be taken back."""

from __future__ import annotations

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from unfold.admin import ModelAdmin

SURE = "sure"


def question(model_admin: ModelAdmin, request: HttpRequest, text: str) -> HttpResponse | None:
    """The page that asks `text` and then sends the same form once more; None where that was answered with yes."""
    if SURE in request.POST:
        return None
    asked = ("action", "select_across", ACTION_CHECKBOX_NAME)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Are you sure?"),
        "opts": model_admin.opts,
        "text": text,
        "values": [(name, value) for name in asked for value in request.POST.getlist(name)],
        "back": request.get_full_path(),
        "is_final": True,
    }
    return TemplateResponse(request, "admin/bookings/reception_ask.html", context)

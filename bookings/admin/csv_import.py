"""The page that brings in Sirvoy's export of bookings: first what would change, then a button."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import INPUT_CLASSES, UnfoldAdminFileFieldWidget

from bookings import csv_import
from bookings.admin.guests import may_see
from bookings.csv_import import Export, NotAnExport, Plan, What
from meters.people import person

LARGEST_BYTES = 1_000_000
"""Between the two steps the browser keeps the file; larger ones go through `manage.py sirvoy_import`."""
SALT = "bookings.import"
KEPT_S = 3600
SHOWN = 200
VARIANTS = {What.NEW: "success", What.CHANGED: "info", What.HELD: "danger", What.OLDER: "", What.UNCHANGED: ""}


class UploadForm(forms.Form):
    file = forms.FileField(label=_("Sirvoy's export of bookings, CSV"), widget=UnfoldAdminFileFieldWidget)
    exported_at = forms.DateTimeField(
        label=capfirst(_("exported")),
        help_text=_("When you exported it, by the campsite's clock: what Sirvoy told later is not overruled."),
        widget=forms.DateTimeInput(
            format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local", "class": " ".join(INPUT_CLASSES)}
        ),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > LARGEST_BYTES:
            raise forms.ValidationError(_("The file is larger than 1 MB: bring it in by manage.py sirvoy_import."))
        return file


def may_import(request: HttpRequest) -> bool:
    """The file, and what it would change, are full of names."""
    return request.user.has_perm("bookings.add_webhookevent") and may_see(request)


def page(model_admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """The form; what its file would change; after `apply` what came of it."""
    if not may_import(request):
        raise PermissionDenied
    context: dict[str, Any] = {"form": UploadForm(initial={"exported_at": timezone.localtime()})}
    if request.method == "POST" and "kept" in request.POST:
        context |= _applied(request)
    elif request.method == "POST":
        context |= _checked(request)
    base = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Bring in a file of Sirvoy's"),
        "opts": model_admin.opts,
    }
    return TemplateResponse(request, "admin/bookings/import.html", base | context)


def _checked(request: HttpRequest) -> dict[str, Any]:
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return {"form": form}
    content, exported_at = form.cleaned_data["file"].read(), form.cleaned_data["exported_at"]
    try:
        plan = csv_import.compare(_read(content), exported_at, timezone.now())
    except NotAnExport as error:
        form.add_error(None, forms.ValidationError(str(error)))
        return {"form": form}
    kept = signing.dumps([content.decode("latin-1"), exported_at.isoformat()], salt=SALT, compress=True)
    return _shown(plan) | {"kept": kept if plan.of(What.NEW, What.CHANGED) else ""}


def _applied(request: HttpRequest) -> dict[str, Any]:
    try:
        content, exported_at = signing.loads(request.POST["kept"], salt=SALT, max_age=KEPT_S)
    except signing.BadSignature:
        return {"error": gettext("That was too long ago. Choose the file again, please.")}
    export, told_at = _read(content.encode("latin-1")), datetime.fromisoformat(exported_at)
    return _shown(csv_import.apply(export, told_at, person(request.user), timezone.now())) | {"is_done": True}


def _read(content: bytes) -> Export:
    return csv_import.read(content, settings.SIRVOY_CSV_HEADERS)


def _shown(plan: Plan) -> dict[str, Any]:
    entries = plan.of(What.HELD, What.CHANGED, What.NEW, What.OLDER)
    order = list(VARIANTS)
    entries.sort(key=lambda entry: (entry.what is not What.HELD, order.index(entry.what)))
    counts = [(len(plan.of(what)), what.words, VARIANTS[what]) for what in What]
    return {
        "plan": plan,
        "counts": [*counts, (len(plan.bad), _("unreadable lines"), "danger" if plan.bad else "")],
        "entries": [(entry, VARIANTS[entry.what]) for entry in entries[:SHOWN]],
        "more": max(len(entries) - SHOWN, 0),
    }

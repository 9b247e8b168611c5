"""The pages on which staff switch meters: first what would happen, then one click.

They decide nothing: what may be switched, and what needs a reason, stands in meters/commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from secrets import token_hex
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSplitDateTimeWidget

from meters import commands, overview
from meters.admin import letting_go, preview
from meters.admin.base import ReasonForm
from meters.models import Meter, Order

STATES = {"on": True, "off": False}


def may_switch(request: HttpRequest) -> bool:
    return request.user.has_perm("meters.switch_meter")


class SwitchForm(ReasonForm):
    """Why, and until when."""

    until = forms.SplitDateTimeField(
        label=_("Until"),
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text=_(
            "Empty: until somebody decides otherwise. After this time the booking or the cleaning decides again; "
            "where nothing is wanted, the meter stays as it is."
        ),
    )

    def __init__(self, *args: Any, needs_reason: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = needs_reason
        self.fields["reason"].error_messages["required"] = commands.NeedsReason.message

    def clean_until(self) -> datetime | None:
        until: datetime | None = self.cleaned_data["until"]
        if until is not None and until <= timezone.now():
            raise forms.ValidationError(commands.BadTime.message, commands.BadTime.code)
        return until


def page(model_admin: ModelAdmin, request: HttpRequest, meters: Sequence[Meter], state: bool) -> HttpResponse:
    """Tells what switching these meters (from `overview.meters`) would do; once confirmed, orders it."""
    now = timezone.now()
    plan = commands.orders.preview(meters, state, now)
    confirmed = request.POST if "confirmed" in request.POST else None
    form = SwitchForm(confirmed, needs_reason=plan.needs_reason)
    if form.is_valid() and (made := _order(request, meters, state, form)):
        return HttpResponseRedirect(_way_on(request, made))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": preview.title(meters, state),
        "opts": Meter._meta,
        "form": form,
        "key": token_hex(12),
        "state": state,
        "preview": plan,
        "what": preview.what(plan),
        "notes": preview.notes(plan),
        "rows": preview.rows(meters, plan, now),
        "meters": meters,
    }
    return TemplateResponse(request, "admin/meters/switch.html", context)


def _order(request: HttpRequest, meters: Sequence[Meter], state: bool, form: SwitchForm) -> Order | None:
    """The order; None where it was refused, which the form then tells. A second click leads to the same order."""
    told, key = form.cleaned_data, request.POST.get("key", "")[:100]
    try:
        made = commands.order(meters, state, told["reason"], request.user, told["until"], key)
    except commands.SwitchingError as error:
        form.add_error(error.field or None, forms.ValidationError(str(error), error.code))
        return None
    return made


def _way_on(request: HttpRequest, order: Order) -> str:
    """To the order's page, where its progress is seen."""
    if request.user.has_perm("meters.view_order"):
        return reverse("admin:meters_order_change", args=[order.pk])
    messages.success(request, gettext("It is under way."))
    return reverse("admin:meters_meter_changelist")


# --- the ways there --------------------------------------------------------------------------------------------------


class Switching(ModelAdmin):
    """The list's actions and the addresses of the two pages; both take `meter` (ids, several) or `area` (an id)."""

    def has_switch_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_switch(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("switch/<str:word>/", view(self.switch_view), name="meters_meter_switch"),
            path("let-go/", view(self.let_go_view), name="meters_meter_let_go"),
            *super().get_urls(),
        ]

    def switch_view(self, request: HttpRequest, word: str) -> HttpResponse:
        if word not in STATES:
            raise Http404
        meters = self._asked(request)
        return page(self, request, meters, STATES[word]) if meters else self._none(request)

    def let_go_view(self, request: HttpRequest) -> HttpResponse:
        meters = self._asked(request)
        return letting_go.page(self, request, meters) if meters else self._none(request)

    def _asked(self, request: HttpRequest) -> list[Meter]:
        if not may_switch(request):
            raise PermissionDenied
        asked = request.POST if request.method == "POST" else request.GET
        return chosen(ids(asked.getlist("meter")), ids(asked.getlist("area")))

    def _none(self, request: HttpRequest) -> HttpResponse:
        messages.warning(request, gettext("There is no such meter."))
        return HttpResponseRedirect(reverse("admin:meters_meter_changelist"))

    @admin.action(description=_("Switch on…"), permissions=["switch"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Meter]) -> HttpResponse:
        return page(self, request, list(queryset), True)

    @admin.action(description=_("Switch off…"), permissions=["switch"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Meter]) -> HttpResponse:
        return page(self, request, list(queryset), False)

    @admin.action(description=_("Let go (end what staff want)…"), permissions=["switch"])
    def let_go(self, request: HttpRequest, queryset: QuerySet[Meter]) -> HttpResponse:
        return letting_go.page(self, request, list(queryset))


def chosen(meters: Iterable[int], areas: Iterable[int] = ()) -> list[Meter]:
    """These meters, and all that these areas still list."""
    here = Q(device__area__in=list(areas), device__removed_at=None)
    return list(overview.meters(timezone.now()).filter(Q(pk__in=list(meters)) | here))


def ids(words: Iterable[str]) -> list[int]:
    """Those of these words that are ids."""
    return [int(word) for word in words if word.isdecimal() and len(word) < 18]

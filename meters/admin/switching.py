"""The pages on which staff switch meters, or let them go: first what would happen, then one click.

They decide nothing: what may be switched, and what needs a reason, stands in meters/commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from secrets import token_hex
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextInputWidget

from meters import commands, overview
from meters.admin.base import ON_OFF, Text, label, local
from meters.models import Meter, Order, Pitch, Source, Want

STATES = {"on": True, "off": False}
WHY_NOT: dict[str, Text] = {error.code: error.message for error in (commands.NoRelay, commands.Gone)}
MOST_SECONDS = 90
"""Longer than this is told in minutes."""


def may_switch(request: HttpRequest) -> bool:
    return request.user.has_perm("meters.switch_meter")


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Reason"), max_length=250, required=False, widget=UnfoldAdminTextInputWidget)


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


# --- on or off -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A meter, what is to be known of it before it is switched, and why it is left out, if it is."""

    meter: Meter
    labels: Sequence[str] = ()
    skipped: Text = ""


def page(model_admin: ModelAdmin, request: HttpRequest, meters: Sequence[Meter], state: bool) -> HttpResponse:
    """Tells what switching these meters (from `overview.meters`) would do; once confirmed, orders it."""
    now = timezone.now()
    preview = commands.orders.preview(meters, state, now)
    confirmed = request.POST if "confirmed" in request.POST else None
    form = SwitchForm(confirmed, needs_reason=preview.needs_reason)
    if form.is_valid() and (made := _order(request, meters, state, form)):
        return HttpResponseRedirect(_way_on(request, made))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _title(meters, state),
        "opts": Meter._meta,
        "form": form,
        "key": token_hex(12),
        "state": state,
        "preview": preview,
        "what": _what(preview),
        "notes": _notes(preview),
        "rows": _rows(meters, preview, now),
        "meters": meters,
    }
    return TemplateResponse(request, "admin/meters/switch.html", context)


def _order(request: HttpRequest, meters: Sequence[Meter], state: bool, form: SwitchForm) -> Order | None:
    """The order; None where it was refused, which the form then tells. A second click leads to the same order."""
    told, key = form.cleaned_data, request.POST.get("key", "")[:100]
    try:
        made = commands.order(meters, state, told["reason"], request.user, told["until"], key)
    except commands.SwitchingError as error:
        field = {"needs_reason": "reason", "bad_time": "until"}.get(error.code)
        form.add_error(field, forms.ValidationError(str(error), error.code))
        return None
    return made


def _way_on(request: HttpRequest, order: Order) -> str:
    """To the order's page, where its progress is seen."""
    if request.user.has_perm("meters.view_order"):
        return reverse("admin:meters_order_change", args=[order.pk])
    messages.success(request, gettext("It is under way."))
    return reverse("admin:meters_meter_changelist")


def _title(meters: Sequence[Meter], state: bool) -> str:
    if len(meters) == 1:
        text = gettext("Switch on %(meter)s") if state else gettext("Switch off %(meter)s")
        return text % {"meter": meters[0]}
    text = (
        ngettext("Switch on %(count)d meter", "Switch on %(count)d meters", len(meters))
        if state
        else ngettext("Switch off %(count)d meter", "Switch off %(count)d meters", len(meters))
    )
    return text % {"count": len(meters)}


def _what(preview: commands.orders.Preview) -> str:
    """What will happen, and how long it takes."""
    if not preview.meters:
        return str(commands.NothingToSwitch.message)
    if preview.state:
        text = ngettext("%(count)d meter will be switched on", "%(count)d meters will be switched on", preview.meters)
    else:
        text = ngettext("%(count)d meter will be switched off", "%(count)d meters will be switched off", preview.meters)
    duration = f", {_duration(preview.seconds)}" if preview.meters > len(preview.offline) else ""
    return f"{text % {'count': preview.meters}}{duration}."


def _duration(seconds: int) -> str:
    if seconds <= 1:
        return gettext("at once")
    if seconds <= MOST_SECONDS:
        return gettext("which takes about %(count)d s") % {"count": seconds}
    return gettext("which takes about %(count)d minutes") % {"count": ceil(seconds / 60)}


def _notes(preview: commands.orders.Preview) -> list[str]:
    notes = []
    if preview.already:
        on = ngettext("%(count)d of them is on already.", "%(count)d of them are on already.", preview.already)
        off = ngettext("%(count)d of them is off already.", "%(count)d of them are off already.", preview.already)
        notes.append((on if preview.state else off) % {"count": preview.already})
    if count := len(preview.offline):
        text = ngettext(
            "%(count)d is not online: it is switched when it is heard, if that is within %(minutes)d minutes.",
            "%(count)d are not online: each is switched when it is heard, if that is within %(minutes)d minutes.",
            count,
        )
        notes.append(text % {"count": count, "minutes": round(settings.COMMAND_DEADLINE_S / 60)})
    if count := len(preview.skipped):
        text = ngettext(
            "%(count)d cannot be switched and is left out.", "%(count)d cannot be switched and are left out.", count
        )
        notes.append(text % {"count": count})
    return notes


def _rows(meters: Iterable[Meter], preview: commands.orders.Preview, now: datetime) -> list[Row]:
    """Those on which somebody may depend first, those that are left out last."""
    skipped = {meter.pk: WHY_NOT.get(code, code) for meter, code in preview.skipped}
    offline = {meter.pk for meter in preview.offline}
    pitches = commands.serving([meter.pk for meter in preview.depending], now)
    rows = []
    for meter in meters:
        labels = [text for pitch in pitches.get(meter.pk, []) for text in _dependence(pitch, now)]
        if meter.pk in offline:
            labels.append(label(_("not online")))
        if meter.pk not in skipped and _relay(meter) is preview.state:
            labels.append(label(*ON_OFF[preview.state]))
        rows.append(Row(meter, labels, skipped.get(meter.pk, "")))
    return sorted(rows, key=lambda row: (bool(row.skipped), row.meter.pk not in pitches))


def _dependence(pitch: Pitch, now: datetime) -> list[str]:
    """Why somebody may depend on this pitch's power."""
    words = []
    if pitch.occupied_until and pitch.occupied_until > now:
        until = gettext("occupied until %(time)s") % {"time": local(pitch.occupied_until)}
        words.append(label(until, "warning"))
    if pitch.policy != Pitch.Policy.AUTOMATIC:
        words.append(label(pitch.get_policy_display(), "warning"))
    return words


def _relay(meter: Meter) -> bool | None:
    state = getattr(meter, "state", None)
    return state.relay if state else None


# --- let go ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Left:
    """What staff want of a meter, and what will be wanted once they want nothing any more."""

    meter: Meter
    staff: Want | None
    then: Want | None


def let_go_page(model_admin: ModelAdmin, request: HttpRequest, meters: Sequence[Meter]) -> HttpResponse:
    """Tells what is wanted once staff want nothing of these meters any more; once confirmed, ends what they want."""
    rows = _left(meters, timezone.now())
    held = [row.meter for row in rows if row.staff]
    form = ReasonForm(request.POST if "confirmed" in request.POST else None)
    if form.is_valid():
        _let_go(request, held, form.cleaned_data["reason"])
        return HttpResponseRedirect(_home(meters))
    title = gettext("Let go of %(count)d meters") % {"count": len(meters)}
    context = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Let go of %(meter)s") % {"meter": meters[0]} if len(meters) == 1 else title,
        "opts": Meter._meta,
        "form": form,
        "rows": rows,
        "to_do": len(held),
        "back": _home(meters),
    }
    return TemplateResponse(request, "admin/meters/let_go.html", context)


def _left(meters: Sequence[Meter], now: datetime) -> list[Left]:
    ids = [meter.pk for meter in meters]
    staff = Want.objects.filter(meter__in=ids, source=Source.STAFF, ended_at=None).select_related("by")
    others = Want.objects.filter(meter__in=ids, ended_at=None).exclude(source=Source.STAFF).order_by("priority")
    wanted, then = {want.meter_id: want for want in staff}, {want.meter_id: want for want in others}
    rows = [Left(meter, wanted.get(meter.pk), then.get(meter.pk)) for meter in meters]
    return sorted(rows, key=lambda row: row.staff is None)


def _let_go(request: HttpRequest, meters: Sequence[Meter], reason: str) -> None:
    done = len(commands.end_all(meters, Source.STAFF, request.user, reason))
    text = ngettext(
        "Staff want nothing of %(count)d meter any more.", "Staff want nothing of %(count)d meters any more.", done
    )
    messages.success(request, text % {"count": done})


def _home(meters: Sequence[Meter]) -> str:
    if len(meters) == 1:
        return reverse("admin:meters_meter_change", args=[meters[0].pk])
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
        return let_go_page(self, request, meters) if meters else self._none(request)

    def _asked(self, request: HttpRequest) -> list[Meter]:
        if not may_switch(request):
            raise PermissionDenied
        asked = request.POST if request.method == "POST" else request.GET
        return chosen(_ids(asked.getlist("meter")), _ids(asked.getlist("area")))

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
        return let_go_page(self, request, list(queryset))


def chosen(meters: Iterable[int], areas: Iterable[int] = ()) -> list[Meter]:
    """These meters, and all that these areas still list."""
    here = Q(device__area__in=list(areas), device__removed_at=None)
    return list(overview.meters(timezone.now()).filter(Q(pk__in=list(meters)) | here))


def _ids(words: Iterable[str]) -> list[int]:
    return [int(word) for word in words if word.isdecimal() and len(word) < 18]

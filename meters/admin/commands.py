"""Commands and wants as they stand: read-only, but what is not under way can be cancelled."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from meters import commands
from meters.admin.base import (
    NOTHING,
    ReadOnlyAdmin,
    ReadOnlyInline,
    clock,
    exact,
    label,
    link,
    local,
    nowrap,
    relay,
)
from meters.admin.filters import EndedFilter, FailureFilter, HoldFilter, StateFilter
from meters.admin.switching import may_switch
from meters.models import Command, Installation, Want

Status = Command.Status
VARIANTS = {
    Status.QUEUED: "info",
    Status.SENT: "info",
    Status.ACKNOWLEDGED: "info",
    Status.CONFIRMED: "success",
    Status.FAILED: "danger",
    Status.EXPIRED: "warning",
}


def pitch_of(meter: str) -> Subquery:
    """The pitch where the meter of this column hangs now."""
    present = Installation.objects.filter(meter=OuterRef(meter), period__contains=timezone.now())
    return Subquery(present.values("pitch__number")[:1])


def on_pitch(row: Any) -> str:
    """A row's meter, and the pitch where it hangs, unless the meter bears its name."""
    meter = link("meters_meter", row.meter_id, row.meter)
    if row.pitch_number in (None, str(row.meter)):
        return meter
    pitch = gettext("pitch %(pitch)s") % {"pitch": row.pitch_number}
    return format_html('{} <span class="text-base-500">{}</span>', meter, pitch)


# --- commands --------------------------------------------------------------------------------------------------------


class CommandColumns:
    """What a command was for, how far it came, and how that is known."""

    @admin.display(description=_("made"), ordering="created_at")
    def made(self, command: Command) -> str:
        return local(command.created_at)

    @admin.display(description=_("meter"), ordering="meter__device__friendly_name")
    def of_meter(self, command: Command) -> str:
        return on_pitch(command)

    @admin.display(description=_("on or off"), ordering="state")
    def to(self, command: Command) -> str:
        return relay(command.state)

    @admin.display(description=_("status"), ordering="status")
    def outcome(self, command: Command) -> str:
        return label(command.get_status_display(), VARIANTS.get(Status(command.status), ""))

    @admin.display(description=_("by"))
    def whose(self, command: Command) -> str:
        if command.automatic:
            return gettext("the software")
        person = command.order.by if command.order else command.want.by
        return str(person) if person else command.want.get_source_display()

    @admin.display(description=_("what went wrong"))
    def wrong(self, command: Command) -> str:
        words = [command.get_failure_display()] if command.failure else []
        if command.attempts > 1:
            words.append(gettext("%(count)d attempts") % {"count": command.attempts})
        return format_html('<span title="{}">{}</span>', command.detail, " · ".join(words) or NOTHING)

    @admin.display(description=_("proofs"))
    def proofs(self, command: Command) -> str:
        """What is known to have happened, with the time of each."""
        told = [(word, clock(at)) for word, at in command.proofs]
        html = '<span class="whitespace-nowrap">{} <span class="text-base-500">{}</span></span>'
        steps_html = format_html_join(" · ", html, told)
        return format_html('<div style="min-width: 15rem">{}</div>', steps_html) if told else NOTHING


@admin.register(Command)
class CommandAdmin(CommandColumns, ReadOnlyAdmin):
    list_display = ["made", "of_meter", "to", "outcome", "whose", "wrong", "proofs"]
    list_filter = ["status", StateFilter, "automatic", "meter__device__area", FailureFilter, "created_at"]
    search_fields = ["meter__device__friendly_name", "meter__device__ieee_address", "pitch_number"]
    search_help_text = _("name, IEEE address or pitch")
    actions = ["cancel"]
    fieldsets = [
        (None, {"fields": ["of_meter", "to", "outcome", "whose", "why", "wrong", "detail", "attempts"]}),
        (
            _("Proofs"),
            {"fields": ["made", "sent", "acknowledged", "asked", "confirmed", "load", "load_known", "finished"]},
        ),
        (_("Times"), {"fields": ["next_attempt", "deadline", "area", "of_order"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found = super().get_queryset(request).select_related("meter__device", "order__by", "want__by", "area")
        return found.annotate(pitch_number=pitch_of("meter"))

    def has_switch_permission(self, request: HttpRequest) -> bool:
        return may_switch(request)

    @admin.action(description=_("Cancel what is not under way"), permissions=["switch"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Command]) -> None:
        cancel(request, queryset)

    @admin.display(description=_("reason"))
    def why(self, command: Command) -> str:
        return command.want.reason or NOTHING

    @admin.display(description=_("order"))
    def of_order(self, command: Command) -> str:
        return link("meters_order", command.order_id, command.order) if command.order_id else NOTHING

    @admin.display(description=_("sent"))
    def sent(self, command: Command) -> str:
        return exact(command.sent_at)

    @admin.display(description=_("acknowledged"))
    def acknowledged(self, command: Command) -> str:
        return exact(command.acknowledged_at)

    @admin.display(description=_("position asked"))
    def asked(self, command: Command) -> str:
        return exact(command.asked_at)

    @admin.display(description=_("confirmed"))
    def confirmed(self, command: Command) -> str:
        return exact(command.confirmed_at)

    @admin.display(description=_("load known"))
    def load_known(self, command: Command) -> str:
        return exact(command.load_at)

    @admin.display(description=_("finished"))
    def finished(self, command: Command) -> str:
        return exact(command.finished_at)

    @admin.display(description=_("next attempt"))
    def next_attempt(self, command: Command) -> str:
        return exact(command.not_before) if command.is_open else NOTHING

    @admin.display(description=_("deadline"))
    def deadline(self, command: Command) -> str:
        return exact(command.expires_at)


def cancel(request: HttpRequest, found: QuerySet[Command]) -> None:
    """Cancel what is not under way of these, and tell how many were."""
    done = commands.cancel(list(found.values_list("pk", flat=True)), request.user)
    if done:
        text = ngettext("%(count)d command was cancelled.", "%(count)d commands were cancelled.", done)
        messages.success(request, text % {"count": done})
    else:
        messages.warning(request, gettext("Nothing was cancelled: what was sent cannot be called back."))


class CommandInline(CommandColumns, ReadOnlyInline):
    """The last commands of a meter."""

    model = Command
    verbose_name_plural = _("Commands")
    fields = readonly_fields = ["made", "to", "outcome", "whose", "wrong", "proofs"]
    ordering = ["-pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Command]:
        return super().get_queryset(request).select_related("order__by", "want__by")


# --- wants -----------------------------------------------------------------------------------------------------------


class WantColumns:
    """Who wants what, and what came of it."""

    @admin.display(description=_("meter"), ordering="meter__device__friendly_name")
    def of_meter(self, want: Want) -> str:
        return on_pitch(want)

    @admin.display(description=_("source"), ordering="-priority")
    def who(self, want: Want) -> str:
        return want.get_source_display()

    @admin.display(description=_("by"))
    def whose(self, want: Want) -> str:
        return str(want.by or NOTHING)

    @admin.display(description=_("wanted"), ordering="state")
    def wanted(self, want: Want) -> str:
        return relay(want.state)

    @admin.display(description=_("outcome"))
    def outcome(self, want: Any) -> str:
        if want.ended_at:
            return label(want.get_end_display())
        if want.is_below:
            return label(_("stands back"), "", _("Another source stands above it."))
        if want.hold:
            word = label(_("held back"), "warning")
            return format_html('{} <span class="text-base-500">{}</span>', word, want.get_hold_display())
        return label(_("fulfilled"), "success") if want.fulfilled_at else label(_("under way"), "info")

    @admin.display(description=_("in force since"), ordering="since")
    def from_when(self, want: Want) -> str:
        return nowrap(local(want.since))

    @admin.display(description=_("until"), ordering="until")
    def until_when(self, want: Want) -> str:
        return nowrap(local(want.ended_at or want.until))


def ranked(wants: QuerySet[Want]) -> QuerySet[Want]:
    """With `is_below`: whether another open want of the meter stands above."""
    above = Want.objects.filter(meter=OuterRef("meter"), ended_at=None, priority__gt=OuterRef("priority"))
    return wants.annotate(is_below=Exists(above))


@admin.register(Want)
class WantAdmin(WantColumns, ReadOnlyAdmin):
    list_display = ["of_meter", "wanted", "who", "whose", "reason", "outcome", "from_when", "until_when"]
    list_filter = [EndedFilter, "source", StateFilter, HoldFilter, "meter__device__area"]
    search_fields = ["meter__device__friendly_name", "meter__device__ieee_address", "pitch_number", "reason"]
    search_help_text = _("name, IEEE address, pitch or reason")
    ordering = [F("ended_at").desc(nulls_first=True), "-pk"]
    fields = ["of_meter", "wanted", "who", "whose", "reason", "outcome", "from_when", "until_when"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found = super().get_queryset(request).select_related("meter__device", "by")
        return ranked(found).annotate(pitch_number=pitch_of("meter"))


class WantInline(WantColumns, ReadOnlyInline):
    """What is wanted of a meter now, the one that counts first."""

    model = Want
    verbose_name_plural = _("Wanted now")
    fields = readonly_fields = ["wanted", "who", "whose", "reason", "outcome", "from_when", "until_when"]
    ordering = ["-priority"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Want]:
        return ranked(super().get_queryset(request).filter(ended_at=None)).select_related("by")

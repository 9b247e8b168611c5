"""The webhook's addresses, told once and revoked here, and every event that came, with the button that replays it."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminTextInputWidget

from bookings import inbox, site, tokens
from bookings.admin.asking import question
from bookings.admin.guests import WithGuests
from bookings.models import WebhookEvent, WebhookToken
from meters.admin.base import NOTHING, ReadOnlyAdmin, ago, label, local, nowrap

Status = WebhookEvent.Status
VARIANTS = {
    Status.RECEIVED: "info",
    Status.APPLIED: "success",
    Status.STALE: "",
    Status.DUPLICATE: "",
    Status.FAILED: "danger",
}
MOST_REPLAYED = 1000
MOST_REASONS = 30


# --- addresses -------------------------------------------------------------------------------------------------------


class NameForm(forms.Form):
    name = forms.CharField(
        label=WebhookToken._meta.get_field("name").verbose_name,
        help_text=WebhookToken._meta.get_field("name").help_text,
        max_length=60,
        widget=UnfoldAdminTextInputWidget,
    )


@admin.register(WebhookToken)
class WebhookTokenAdmin(ReadOnlyAdmin):
    """Read-only but for making and revoking; an address is shown on the answer to its making, and never again."""

    list_display = ["name", "state", "made", "maker", "event_came", "check_came"]
    fields = ["name", "state", "made", "maker", "event_came", "check_came", "revoked"]
    actions = ["revoke"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookToken]:
        return super().get_queryset(request).select_related("created_by")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("bookings.add_webhooktoken"))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("bookings.change_webhooktoken"))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = NameForm(request.POST if request.method == "POST" else None)
        address = self._make(request, form) if form.is_valid() else ""
        title = gettext("The webhook's new address") if address else gettext("Make a webhook address")
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts}
        template = "admin/bookings/webhook_address.html"
        return TemplateResponse(request, template, context | {"form": form, "address": address})

    def _make(self, request: HttpRequest, form: NameForm) -> str:
        try:
            _made, secret = tokens.make(form.cleaned_data["name"], request.user)
        except tokens.TooMany as error:
            form.add_error(None, forms.ValidationError(str(error), error.code))
            return ""
        return site.absolute(tokens.path(secret), request)

    @admin.action(description=_("Revoke: events are no longer taken at these addresses"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[WebhookToken]) -> HttpResponse | None:
        names = ", ".join(token.name for token in queryset)
        text = gettext("Revoke %(names)s? Where Sirvoy still calls this address, bookings no longer arrive here.")
        if asking := question(self, request, text % {"names": names}):
            return asking
        done = sum(tokens.revoke(token, request.user, timezone.now()) for token in queryset)
        text = ngettext("%(count)d address was revoked.", "%(count)d addresses were revoked.", done)
        messages.success(request, text % {"count": done})
        return None

    @admin.display(description=_("status"))
    def state(self, token: WebhookToken) -> str:
        return label(_("revoked")) if token.revoked_at else label(_("valid"), "success")

    @admin.display(description=_("made"), ordering="created_at")
    def made(self, token: WebhookToken) -> str:
        return local(token.created_at)

    @admin.display(description=_("made by"))
    def maker(self, token: WebhookToken) -> str:
        return str(token.created_by or NOTHING)

    @admin.display(description=_("last event"), ordering="last_event_at")
    def event_came(self, token: WebhookToken) -> str:
        return ago(token.last_event_at)

    @admin.display(description=_("last check by Sirvoy"), ordering="last_get_at")
    def check_came(self, token: WebhookToken) -> str:
        return ago(token.last_get_at)

    @admin.display(description=_("revoked"))
    def revoked(self, token: WebhookToken) -> str:
        return local(token.revoked_at)


# --- events ----------------------------------------------------------------------------------------------------------


class ReasonFilter(admin.SimpleListFilter):
    """By why events failed; only what occurs is offered."""

    title = _("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        reasons = WebhookEvent.objects.exclude(reason="").order_by("reason").values_list("reason", flat=True).distinct()
        return [(reason, gettext(reason)) for reason in reasons[:MOST_REASONS]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(WebhookEvent)
class WebhookEventAdmin(WithGuests):
    """Whoever may see events sees what became of each; only who may see guests sees what it said of them."""

    list_display = ["came", "booking", "made", "outcome", "why", "attempts", "again"]
    list_filter = ["status", ReasonFilter, "origin", "token", "received_at"]
    search_fields = ["=sirvoy_id"]
    search_help_text = _("booking number")
    fields = [
        *("came", "made", "booking", "origin", "token", "length", "outcome", "why", "left_out"),
        *("attempts", "worked_on", "again", "content"),
    ]
    personal = ["content"]
    actions = ["replay"]
    change_form_outer_before_template = "admin/bookings/event_replay.html"
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEvent]:
        found: QuerySet[WebhookEvent] = super().get_queryset(request).select_related("token")
        return found.defer("body")

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("bookings.change_webhookevent"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.replay_view))
        return [path("<int:event_id>/replay/", view, name="bookings_webhookevent_replay"), *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        event = self.get_object(request, object_id)
        may_replay = self.has_replay_permission(request) and event is not None and event.erased_at is None
        context = {"event": event, "may_replay": may_replay}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def replay_view(self, request: HttpRequest, event_id: int) -> HttpResponse:
        if not self.has_replay_permission(request):
            raise PermissionDenied
        event = get_object_or_404(WebhookEvent, pk=event_id)
        self._replay(request, [event.pk])
        return HttpResponseRedirect(reverse("admin:bookings_webhookevent_change", args=[event.pk]))

    @admin.action(description=_("Replay: work on these once more"), permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> None:
        ids = list(queryset.order_by("pk").values_list("pk", flat=True)[: MOST_REPLAYED + 1])
        if len(ids) > MOST_REPLAYED:
            text = gettext("These are too many; choose %(count)d at most.")
            messages.error(request, text % {"count": MOST_REPLAYED})
            return
        self._replay(request, ids)

    def _replay(self, request: HttpRequest, ids: list[int]) -> None:
        done = inbox.replay(ids, request.user, timezone.now())
        failed = WebhookEvent.objects.filter(pk__in=ids, status=Status.FAILED).count()
        text = ngettext("%(count)d event was replayed.", "%(count)d events were replayed.", done - failed)
        if done > failed:
            messages.success(request, text % {"count": done - failed})
        if failed:
            text = ngettext("%(count)d event failed again.", "%(count)d events failed again.", failed)
            messages.warning(request, text % {"count": failed})

    @admin.display(description=_("received"), ordering="received_at")
    def came(self, event: WebhookEvent) -> str:
        return nowrap(local(event.received_at))

    @admin.display(description=_("made by Sirvoy"), ordering="generated_at")
    def made(self, event: WebhookEvent) -> str:
        return local(event.generated_at)

    @admin.display(description=_("booking"), ordering="sirvoy_id")
    def booking(self, event: WebhookEvent) -> str:
        return str(event.sirvoy_id or NOTHING)

    @admin.display(description=_("status"), ordering="status")
    def outcome(self, event: WebhookEvent) -> str:
        return label(event.get_status_display(), VARIANTS[Status(event.status)])

    @admin.display(description=_("reason"))
    def why(self, event: WebhookEvent) -> str:
        return gettext(event.reason) if event.reason else NOTHING

    @admin.display(description=_("size"))
    def length(self, event: WebhookEvent) -> str:
        size = gettext("%(size)d bytes") % {"size": event.size}
        return ", ".join([size, gettext("cut off")] if event.is_truncated else [size])

    @admin.display(description=_("what could not be read"))
    def left_out(self, event: WebhookEvent) -> str:
        told = [complaint.partition(": ") for complaint in event.complaints]
        return format_html_join("", "{} {}<br>", ((field, gettext(text)) for field, _colon, text in told)) or NOTHING

    @admin.display(description=_("worked on"))
    def worked_on(self, event: WebhookEvent) -> str:
        return local(event.processed_at)

    @admin.display(description=_("tried again"), ordering="try_again_at")
    def again(self, event: WebhookEvent) -> str:
        return local(event.try_again_at)

    @admin.display(description=_("what Sirvoy sent"))
    def content(self, event: WebhookEvent) -> str:
        if event.erased_at:
            return gettext("Erased on %(day)s.") % {"day": local(event.erased_at)}
        return format_html('<pre class="overflow-x-auto text-xs whitespace-pre-wrap">{}</pre>', pretty(event))


def pretty(event: WebhookEvent) -> str:
    """The body with line breaks and indents where it is JSON, else as it is."""
    body = bytes(event.body)
    try:
        told = json.loads(body)
        return json.dumps(told, indent=2, ensure_ascii=False).encode("utf-8", "replace").decode()
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace").replace("\0", "�")

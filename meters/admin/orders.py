"""Orders: how far each has come, and the button that cancels what still waits."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from meters import commands
from meters.admin.base import NOTHING, ReadOnlyAdmin, Text, label, local, nowrap, relay
from meters.admin.commands import CommandInline, cancel, pitch_of
from meters.admin.filters import StateFilter
from meters.admin.switching import may_switch
from meters.models import Command, Order, Want

REFRESH_S = 3
REFRESH_SLOWLY_S = 20
"""Where only meters that are not online are waited for."""
COUNTED: dict[str, tuple[Text, str]] = {
    "confirmed": (_("done"), "success"),
    "under_way": (_("under way"), "info"),
    "waiting": (_("waiting"), "info"),
    "offline": (_("waiting for the meter"), "warning"),
    "failed": (_("failed"), "danger"),
    "cancelled": (_("cancelled or overtaken"), ""),
}


class OrderedInline(CommandInline):
    verbose_name_plural = _("Meters")
    fields = readonly_fields = ["of_meter", "outcome", "wrong", "proofs"]
    ordering = ["meter__device__friendly_name"]
    per_page = 100

    def get_queryset(self, request: HttpRequest) -> QuerySet[Command]:
        found = super().get_queryset(request).select_related("meter__device")
        return found.annotate(pitch_number=pitch_of("meter"))


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ["made", "to", "whose", "reason", "until_when", "meters", "outcome"]
    list_filter = [StateFilter, "created_at"]
    search_fields = ["by__username", "reason", "commands__meter__device__friendly_name"]
    fields = ["made", "to", "whose", "reason", "until_when", "cancelled_when"]
    inlines = [OrderedInline]
    change_form_outer_before_template = "admin/meters/order_progress.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        is_open, done = Q(commands__status__in=Command.OPEN), Q(commands__status=Command.Status.CONFIRMED)
        wrong = Q(commands__status__in=[Command.Status.FAILED, Command.Status.EXPIRED])
        wants = Want.objects.filter(order=OuterRef("pk")).order_by().values("order")
        return (
            super()
            .get_queryset(request)
            .select_related("by")
            .annotate(
                total=Coalesce(Subquery(wants.annotate(count=Count("pk")).values("count")), 0),
                open=Count("commands", is_open),
                confirmed=Count("commands", done),
                failed=Count("commands", wrong),
            )
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.cancel_view))
        return [path("<int:order_id>/cancel/", view, name="meters_order_cancel"), *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """With the order's progress; the page looks again by itself while something is to come."""
        order = self.get_object(request, object_id)
        if not isinstance(order, Order):
            return super().change_view(request, object_id, form_url, extra_context)
        progress = commands.orders.progress(order, timezone.now())
        counts = progress.counts
        waiting = counts["waiting"] + counts["offline"]
        context = {
            "order": order,
            "counts": [(counts[name], *words) for name, words in COUNTED.items() if counts[name]],
            "total": progress.total,
            "waiting": waiting if may_switch(request) else 0,
            "is_open": bool(waiting + counts["under_way"]),
        }
        answer = super().change_view(request, object_id, form_url, (extra_context or {}) | context)
        if context["is_open"]:
            pace = REFRESH_S if counts["waiting"] + counts["under_way"] else REFRESH_SLOWLY_S
            answer.headers["Refresh"] = f"{pace}; url={request.path}"
        return answer

    def cancel_view(self, request: HttpRequest, order_id: int) -> HttpResponse:
        if not may_switch(request):
            raise PermissionDenied
        order = get_object_or_404(Order, pk=order_id)
        cancel(request, Command.objects.filter(order=order))
        return HttpResponseRedirect(reverse("admin:meters_order_change", args=[order.pk]))

    @admin.display(description=_("made"), ordering="created_at")
    def made(self, order: Order) -> str:
        return nowrap(local(order.created_at))

    @admin.display(description=_("on or off"), ordering="state")
    def to(self, order: Order) -> str:
        return relay(order.state)

    @admin.display(description=_("by"), ordering="by")
    def whose(self, order: Order) -> str:
        return str(order.by or NOTHING)

    @admin.display(description=_("until"), ordering="until")
    def until_when(self, order: Order) -> str:
        return local(order.until)

    @admin.display(description=_("cancelled"))
    def cancelled_when(self, order: Order) -> str:
        return local(order.cancelled_at)

    @admin.display(description=_("meters"), ordering="total")
    def meters(self, order: Any) -> str:
        return str(order.total)

    @admin.display(description=_("outcome"))
    def outcome(self, order: Any) -> str:
        if not order.total:
            return NOTHING
        done = gettext("%(done)d of %(total)d done") % {"done": order.confirmed, "total": order.total}
        words = [label(done, "success" if order.confirmed == order.total else "")]
        if order.failed:
            words.append(label(gettext("%(count)d failed") % {"count": order.failed}, "danger"))
        cancelled = order.total - order.confirmed - order.failed - order.open
        if cancelled > 0:
            words.append(label(gettext("%(count)d cancelled or overtaken") % {"count": cancelled}))
        if order.open:
            words.append(label(gettext("%(count)d to come") % {"count": order.open}, "info"))
        html = '<div class="leading-loose py-1 text-right lg:text-left">{}</div>'
        return format_html(html, format_html_join(" ", "{}", ((word,) for word in words)))

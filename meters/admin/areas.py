"""Areas: staff's form, beside it what the Zigbee2MQTT reports; instances found on the broker are offered as areas."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import slugify
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from meters import online, overview
from meters.admin.base import NOTHING, ONLINE_VARIANTS, NeverWritten, ReadOnlyAdmin, ToldAdmin, ago, label, local
from meters.admin.bridge import AsksOfAreas, may_ask
from meters.admin.control import Control
from meters.admin.history import History
from meters.admin.switching import may_switch
from meters.models import Area, AreaState, FoundInstance

MOST_OFFERED = 5


def bridge(area_id: int, link: online.Link) -> str:
    told = AreaState.Bridge(link.bridge(area_id))
    return label(told.label, ONLINE_VARIANTS[told])


def channel(area: Area, state: AreaState) -> str:
    """The reported channel against the planned one."""
    if state.channel is None:
        return NOTHING
    if area.expected_channel is None or area.expected_channel == state.channel:
        return str(state.channel)
    text = gettext("%(channel)s, planned %(planned)s")
    return label(text % {"channel": state.channel, "planned": area.expected_channel}, "warning")


class StateInline(NeverWritten, StackedInline):
    """What the Zigbee2MQTT of this area says of itself."""

    model = AreaState
    verbose_name = _("Reported by Zigbee2MQTT")
    hide_title = True
    fields = readonly_fields = [
        *("bridge_now", "seen", "version", "channel_now", "coordinator_now", "backoff", "join", "restart"),
        *("retained", "info_at", "inventory_at"),
    ]

    @admin.display(description=_("Zigbee2MQTT"))
    def bridge_now(self, state: AreaState) -> str:
        link = online.link(timezone.now())
        is_known = link.bridge(state.area_id) == state.bridge and state.bridge_since
        return format_html("{} {}", bridge(state.area_id, link), local(state.bridge_since) if is_known else "")

    @admin.display(description=_("last message"))
    def seen(self, state: AreaState) -> str:
        return ago(state.seen_at)

    @admin.display(description=_("Zigbee channel"))
    def channel_now(self, state: AreaState) -> str:
        return channel(state.area, state)

    @admin.display(description=_("coordinator"))
    def coordinator_now(self, state: AreaState) -> str:
        told = state.coordinator if isinstance(state.coordinator, dict) else {}
        return " · ".join(str(told[key]) for key in ("type", "ieee_address") if told.get(key)) or NOTHING

    @admin.display(description=_("ping pause (pause_on_backoff_gt)"))
    def backoff(self, state: AreaState) -> str:
        if state.is_backoff_safe is None:
            return NOTHING
        if state.is_backoff_safe:
            return label(str(state.pause_on_backoff_gt), "success")
        value = gettext("not set") if state.pause_on_backoff_gt is None else str(state.pause_on_backoff_gt)
        return label(gettext("%(value)s: set it to 15") % {"value": value}, "danger")

    @admin.display(description=_("open for new devices"))
    def join(self, state: AreaState) -> str:
        if not state.permit_join:
            return NOTHING if state.permit_join is None else gettext("no")
        until = state.permit_join_until
        if until and until <= timezone.now():
            return gettext("no")
        return label(gettext("until %(time)s") % {"time": local(until)} if until else gettext("yes"), "warning")

    @admin.display(description=_("needs a restart"))
    def restart(self, state: AreaState) -> str:
        if state.restart_required is None:
            return NOTHING
        return label(_("yes"), "warning") if state.restart_required else gettext("no")

    @admin.display(description=_("retained commands"))
    def retained(self, state: AreaState) -> str:
        return ", ".join(state.retained_commands) or gettext("none")


class AreaList(ChangeList):
    """Looks up once for all rows what the link is, and counts each area's meters by online status."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        now = timezone.now()
        link = online.link(now)
        counts = overview.count_by_area(now, link)
        self.result_list = list(self.result_list)
        for area in self.result_list:
            area.link = link
            area.counts = counts.get(area.pk, Counter())


@admin.register(Area)
class AreaAdmin(Control, AsksOfAreas, History, ToldAdmin):
    list_display = ["name", "bridge_now", "online_now", "channel_now", "version", "service", "seen"]
    list_before_template = "admin/meters/area_list_links.html"
    prepopulated_fields = {"slug": ["name"]}
    inlines = [StateInline]
    actions = ["switch_all_on", "switch_all_off", "act", "observe"]
    change_form_outer_before_template = "admin/meters/area_links.html"
    readonly_fields = ["control_now"]
    fieldsets = [
        (None, {"fields": ["name", "slug", "base_topic", "in_service"]}),
        (_("Radio"), {"fields": ["expected_channel", "wifi_channels", "neighbours"]}),
        (_("Switching"), {"fields": ["control_now", "commands_per_s", "most_unanswered"]}),
    ]

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """The pace is a number as the language writes it: browsers would show 4.0."""
        if db_field.name == "commands_per_s":
            widget = UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"})
            return db_field.formfield(localize=True, widget=widget)
        if db_field.name == "neighbours":  # each of the others at a glance
            listed = Area.objects.exclude(pk=(request.resolver_match.kwargs or {}).get("object_id", 0))
            return db_field.formfield(queryset=listed, widget=UnfoldAdminCheckboxSelectMultipleWidget)
        if db_field.name == "slug":
            kwargs["error_messages"] = {"invalid": _("Only letters from a to z, digits, - and _ can be in it.")}
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Area]:
        return super().get_queryset(request).select_related("state")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return AreaList

    def get_inlines(self, request: HttpRequest, obj: Area | None = None) -> list[Any]:
        return super().get_inlines(request, obj) if obj and hasattr(obj, "state") else []

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        found = unknown_instances() if self.has_add_permission(request) else []
        return super().changelist_view(request, (extra_context or {}) | {"found_instances": found})

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """With what area_links.html offers."""
        area = self.get_object(request, object_id)
        context = {
            "area": area,
            "retained": AreaState.of(area).retained_commands if isinstance(area, Area) else [],
            "may_switch": may_switch(request),
            "may_change": self.has_change_permission(request),
            "may_ask": may_ask(request),
        }
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    @admin.display(description=_("control"))
    def control_now(self, area: Area) -> str:
        """Changed on a page of its own, which tells what it leads to."""
        return area.get_control_display()

    @admin.display(description=_("Zigbee2MQTT"), ordering="state__bridge")
    def bridge_now(self, area: Any) -> str:
        return bridge(area.pk, area.link)

    @admin.display(description=_("meters online"))
    def online_now(self, area: Any) -> str:
        """Of how many: where nothing is known of any of them, not 0 but nothing."""
        known = area.counts.total() - area.counts[online.Status.UNKNOWN]
        return f"{area.counts[online.Status.ONLINE] if known else NOTHING} / {area.counts.total()}"

    @admin.display(description=_("channel"))
    def channel_now(self, area: Area) -> str:
        return channel(area, AreaState.of(area))

    @admin.display(description=_("version"))
    def version(self, area: Area) -> str:
        return AreaState.of(area).version or NOTHING

    @admin.display(description=_("in service"), ordering="in_service")
    def service(self, area: Area) -> str:
        if not area.in_service:
            return label(_("being commissioned"), "info")
        return label(_("switches by itself") if area.control == Area.Control.ACT else _("observes only"), "success")

    @admin.display(description=_("last message"), ordering="state__seen_at")
    def seen(self, area: Area) -> str:
        return ago(AreaState.of(area).seen_at)


# --- instances found on the broker -----------------------------------------------------------------------------------


def unknown_instances() -> list[dict[str, Any]]:
    """The found instances that are no areas, each with the address of an add form that is filled in for it."""
    found = FoundInstance.objects.exclude(base_topic__in=Area.objects.values("base_topic"))
    newest = found.order_by("-seen_at")[:MOST_OFFERED]
    return [{"instance": instance, "add_url": add_url(instance)} for instance in newest]


def add_url(instance: FoundInstance) -> str:
    name = re.sub(r"^(zigbee2mqtt|z2m)[-_/ ]+", "", instance.base_topic).replace("_", " ").capitalize()
    filled = {"base_topic": instance.base_topic, "name": name[:60], "slug": slugify(name)[:40]}
    if instance.channel:
        filled["expected_channel"] = str(instance.channel)
    return f"{reverse('admin:meters_area_add')}?{urlencode(filled)}"


@admin.register(FoundInstance)
class FoundInstanceAdmin(ReadOnlyAdmin):
    list_display = ["base_topic", "version", "channel", "first_seen_at", "seen", "make_area"]
    search_fields = ["base_topic"]
    change_form_outer_before_template = "admin/meters/found_instances.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[FoundInstance]:
        return super().get_queryset(request).exclude(base_topic__in=Area.objects.values("base_topic"))

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        instance = self.get_object(request, object_id)
        offered = [{"instance": instance, "add_url": add_url(instance)}] if instance else []
        context = (extra_context or {}) | {"found_instances": offered}
        return super().change_view(request, object_id, form_url, context)

    @admin.display(description=_("last seen"), ordering="seen_at")
    def seen(self, instance: FoundInstance) -> str:
        return ago(instance.seen_at)

    @admin.display(description="")
    def make_area(self, instance: FoundInstance) -> str:
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500 font-medium whitespace-nowrap" href="{}">{}</a>',
            add_url(instance),
            _("Make it an area"),
        )

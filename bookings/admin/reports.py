"""What guests reported: read-only, but for noting that it is solved."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from bookings import reports
from bookings.admin.guests import WithGuests, name_of
from bookings.models import ProblemReport
from bookings.reception.reports import show
from meters.admin.base import NOTHING, label, link, local
from meters.commands.rules import person

WRAPPED = '<div style="overflow-wrap: anywhere; white-space: pre-line">{}</div>'
SOLVED = {"open": (_("open"), True), "solved": (_("solved"), False)}


class SolvedFilter(admin.SimpleListFilter):
    title = _("solved")
    parameter_name = "solved"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(value, words) for value, (words, _is_open) in SOLVED.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ProblemReport]) -> QuerySet[ProblemReport]:
        chosen = SOLVED.get(self.value() or "")
        return queryset.filter(solved_at__isnull=chosen[1]) if chosen else queryset


@admin.register(ProblemReport)
class ProblemReportAdmin(WithGuests):
    list_display = ["made", "of_pitch", "guest_name", "what", "begins", "is_solved", "solved_by"]
    list_filter = [SolvedFilter, "kind", "made_at"]
    list_select_related = ["stay__booking__guest", "stay__pitch", "solved_by", "meter__device"]
    date_hierarchy = "made_at"
    search_fields = ["=stay__pitch__number", "=stay__booking__sirvoy_id"]
    search_help_text = _("pitch or booking number")
    search_personal = ["stay__booking__guest__last_name"]
    search_personal_help_text = _("pitch, booking number or last name")
    fields = [
        *("made", "of_booking", "of_pitch", "guest_name", "what", "outlet", "said", "language", "outlets"),
        *("is_solved", "solved_by", "noted"),
    ]
    personal = ["guest_name", "begins", "said", "noted"]
    actions = ["mark_solved"]

    class Media:
        css = {"all": ["css/reception.css"]}

    def has_solve_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("bookings.change_problemreport"))

    @admin.action(description=_("Mark as solved"), permissions=["solve"])
    def mark_solved(self, request: HttpRequest, queryset: QuerySet[ProblemReport]) -> None:
        chosen = list(queryset.filter(solved_at=None).select_related("stay"))
        done = sum(self._solve(request, report) for report in chosen)
        text = ngettext("%(count)d report was noted as solved.", "%(count)d reports were noted as solved.", done)
        if done:
            messages.success(request, text % {"count": done})
        else:
            messages.warning(request, gettext("All of these were solved already."))

    def _solve(self, request: HttpRequest, report: ProblemReport) -> bool:
        try:
            reports.solve(report, person(request.user), "", timezone.now())
        except reports.AlreadySolved:
            return False
        return True

    @admin.display(description=_("reported"), ordering="made_at")
    def made(self, report: ProblemReport) -> str:
        return local(report.made_at)

    @admin.display(description=_("booking"), ordering="stay__booking__sirvoy_id")
    def of_booking(self, report: ProblemReport) -> str:
        return link("bookings_booking", report.stay.booking_id, report.stay.booking)

    @admin.display(description=_("pitch"), ordering="stay__pitch__number")
    def of_pitch(self, report: ProblemReport) -> str:
        return str(report.stay.pitch or NOTHING)

    @admin.display(description=_("guest"), ordering="stay__booking__guest__last_name")
    def guest_name(self, report: ProblemReport) -> str:
        return name_of(report.stay.booking)

    @admin.display(description=_("what"), ordering="kind")
    def what(self, report: ProblemReport) -> str:
        return label(report.get_kind_display(), "" if report.solved_at else "danger")

    @admin.display(description=_("outlet"))
    def outlet(self, report: ProblemReport) -> str:
        return link("meters_meter", report.meter_id, report.meter) if report.meter else NOTHING

    @admin.display(description=_("in the guest's words"))
    def begins(self, report: ProblemReport) -> str:
        return format_html(WRAPPED, Truncator(report.text).chars(80)) if report.text else NOTHING

    @admin.display(description=_("in the guest's words"))
    def said(self, report: ProblemReport) -> str:
        return format_html(WRAPPED, report.text) if report.text else NOTHING

    @admin.display(description=_("known of the outlets then"))
    def outlets(self, report: ProblemReport) -> str:
        told = render_to_string("admin/bookings/report_outlets.html", {"outlets": show(report).outlets})
        return format_html('<div class="reception">{}</div>', told)

    @admin.display(description=_("solved"), ordering="solved_at")
    def is_solved(self, report: ProblemReport) -> str:
        return local(report.solved_at) if report.solved_at else label(gettext("open"), "warning")

    @admin.display(description=_("note"))
    def noted(self, report: ProblemReport) -> str:
        return report.note or NOTHING

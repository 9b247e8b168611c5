"""The areas side by side, one area, what changed in it, and the one thing that is done here: ask for the cure of
one deviation.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from meters.models import Area, BridgeRequest
from monitoring import audit
from monitoring.audit import AreaFacts, Site, applying, fragment
from monitoring.backup import history
from monitoring.pages import sheet as sheets
from monitoring.pages.traffic import SPANS

for_staff = admin.site.admin_view
SEES, ASKS, AUDITS = "meters.view_area", "meters.add_bridgerequest", "auditlog.view_logentry"
CHANGES_SHOWN = 20
REFRESH_S = 2


@require_safe
@for_staff
@permission_required(SEES, raise_exception=True)
def overview(request: HttpRequest) -> HttpResponse:
    told = {"title": gettext("Configuration audit"), "overview": sheets.overview(timezone.now())}
    return _page(request, "admin/monitoring/areas.html", told)


@require_safe
@for_staff
@permission_required(SEES, raise_exception=True)
def area(request: HttpRequest, slug: str) -> HttpResponse:
    """?span= of the charts; ?asked= a request whose answer is awaited: the page looks again until it is there."""
    site, facts = _facts(slug)
    asked = request.GET.get("asked", "")
    found = BridgeRequest.objects.filter(area=facts.area, pk=asked).first() if _is_id(asked) else None
    span = request.GET.get("span", "")
    sheet = sheets.sheet(site, facts, span if span in SPANS else "24h", found)
    told = {"title": facts.area.name, "sheet": sheet, "may_ask": request.user.has_perm(ASKS)}
    answer = _page(request, "admin/monitoring/area.html", told | {"spans": list(SPANS), "shown": sheets.DEVICES_SHOWN})
    if sheet.is_asked:
        answer.headers["Refresh"] = f"{REFRESH_S}; url={request.get_full_path()}"
    return answer


@require_POST
@for_staff
@permission_required((SEES, ASKS), raise_exception=True)
def apply(request: HttpRequest, slug: str) -> HttpResponse:
    """Takes `rule`, and `about` which device; leads to the area's page, which shows the answer."""
    area = get_object_or_404(Area, slug=slug)
    rule, about = request.POST.get("rule", ""), request.POST.get("about", "")
    try:
        asked = applying.apply(area, rule, about, request.user, timezone.now())
    except applying.StillAsked as still:
        messages.warning(request, str(still))
        asked = still.waiting
    except applying.NotAsked as refused:
        messages.info(request, str(refused))
        return HttpResponseRedirect(reverse("area_page", args=[slug]))
    return HttpResponseRedirect(f"{reverse('area_page', args=[slug])}?{urlencode({'asked': asked.pk})}")


@require_safe
@for_staff
@permission_required(SEES, raise_exception=True)
def configuration(request: HttpRequest, slug: str) -> HttpResponse:
    """The area's part of configuration.yaml as a file."""
    _site, facts = _facts(slug)
    headers = {"Content-Disposition": f'attachment; filename="configuration-{slug}.yaml"'}
    return HttpResponse(fragment.text(facts), content_type="application/yaml; charset=utf-8", headers=headers)


@require_safe
@for_staff
@permission_required((SEES, AUDITS), raise_exception=True)
def changes(request: HttpRequest, slug: str) -> HttpResponse:
    """What changed in this Zigbee2MQTT's configuration from backup to backup; ?after= a change: those before it."""
    area, found, problem = get_object_or_404(Area, slug=slug), [], ""
    try:
        found = history.changes(area, CHANGES_SHOWN + 1, request.GET.get("after", ""))
    except history.HistoryError as wrong:
        problem = str(wrong)
    shown = found[:CHANGES_SHOWN]
    told = {
        "title": gettext("Changes of %(area)s") % {"area": area},
        "area": area,
        "changes": shown,
        "older": shown[-1].id if len(found) > len(shown) else "",
        "problem": problem,
        "is_kept": bool(settings.BACKUP_HISTORY),
    }
    return _page(request, "admin/monitoring/changes.html", told)


def _facts(slug: str) -> tuple[Site, AreaFacts]:
    site = audit.gather(timezone.now())
    for facts in site.areas:
        if facts.area.slug == slug:
            return site, facts
    raise Http404


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


def _page(request: HttpRequest, template: str, told: dict[str, Any]) -> HttpResponse:
    return TemplateResponse(request, template, admin.site.each_context(request) | {"now": timezone.now()} | told)

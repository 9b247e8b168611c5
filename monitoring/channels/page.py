"""The channel plan as a page for staff. It shows; it decides nothing, and it changes nothing."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from monitoring.channels import facts, plan, words
from monitoring.channels.picture import picture

NEEDS = ("meters.view_area",)


@require_safe
@admin.site.admin_view
@permission_required(NEEDS, raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    sights = facts.sights()
    names = {sight.network.key: sight.area.name for sight in sights}
    by_key = {advice.network.key: advice for advice in plan.recommend(sight.network for sight in sights)}
    advices = [by_key[sight.network.key] for sight in sights]
    context = {
        **admin.site.each_context(request),
        "title": gettext("Channel plan"),
        "summary": words.summary(advices),
        "is_calm": not any(advice.is_change for advice in advices),
        "picture": picture(sights, advices),
        "rows": [
            {"sight": sight, "advice": advice, "head": words.headline(advice), "why": words.reasons(advice, names)}
            for sight, advice in zip(sights, advices, strict=True)
        ],
        "silent": words.listed(sight.area for sight in sights if not sight.near),
        "is_wifi_known": all(sight.area.wifi_channels for sight in sights),
        "is_any_near": any(sight.near for sight in sights),
        "may_change": request.user.has_perm("meters.change_area"),
    }
    return TemplateResponse(request, "admin/monitoring/channels.html", context)

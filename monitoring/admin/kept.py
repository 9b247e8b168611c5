"""What is kept, for how long and why, and when the rest was forgotten last. To be read; the settings stand in the
environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext

from meters import clock
from meters.admin.base import ReadOnlyAdmin
from monitoring.models import Forgetting
from monitoring.retention.table import DAY, TABLE, YEAR, Kept


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of data, as it is shown. `before`: what is older goes; None: nothing does."""

    what: Promise
    why: Promise
    setting: str | None
    lasts: str
    before: datetime | None
    is_elsewhere: bool
    last: Forgetting | None
    took: str


@admin.register(Forgetting)
class ForgettingAdmin(ReadOnlyAdmin):
    """The list alone."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        told = {each.slug: each for each in Forgetting.objects.all()}
        now = timezone.now()
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("What is kept, and for how long"),
            "opts": self.opts,
            "rows": [_row(kept, told.get(kept.slug), now) for kept in TABLE],
        }
        return TemplateResponse(request, "admin/monitoring/kept.html", context)


def _row(kept: Kept, last: Forgetting | None, now: datetime) -> Row:
    took = last.took.total_seconds() if last and last.took else 0
    return Row(
        what=kept.what,
        why=kept.why,
        setting=kept.setting,
        lasts=_words(kept.lasts),
        before=clock.moment(clock.day_of(now - kept.lasts)) if kept.lasts else None,
        is_elsewhere=kept.prune is None and kept.lasts is not None,
        last=last,
        took=gettext("%(seconds)s s") % {"seconds": formats.number_format(took, 1)},
    )


def _words(lasts: timedelta | None) -> str:
    """ "90 days", "6 years"."""
    if lasts is None:
        return gettext("for ever")
    if lasts < DAY:
        hours = lasts // timedelta(hours=1)
        return ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}
    if lasts % YEAR:
        return ngettext("%(count)d day", "%(count)d days", lasts // DAY) % {"count": lasts // DAY}
    return ngettext("%(count)d year", "%(count)d years", lasts // YEAR) % {"count": lasts // YEAR}

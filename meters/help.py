"""One page that tells staff what becomes of a command, and what the software does by itself."""

from django.conf import settings
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from meters.commands import queue


@staff_member_required
def page(request: HttpRequest) -> HttpResponse:
    told = {
        "attempts": queue.ATTEMPTS,
        "deadline_minutes": round(settings.COMMAND_DEADLINE_S / 60),
        "corrections": settings.CORRECTIONS_AN_HOUR,
        "offs": settings.AUTOMATIC_OFFS_AN_HOUR,
    }
    return render(request, "board/help.html", told)

"""The receipt as a page and as a file, for the guest who has the stay's cookie; reception gets the same file."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from bookings.models import Stay
from bookings.portal import door
from bookings.portal.receipt import facts, paper


@door.for_guest
@require_http_methods(["GET", "HEAD"])
def page(request: HttpRequest, stay: Stay, now: datetime) -> HttpResponse:
    """To be read, and printed."""
    return door.show(request, "receipt.html", {"paper": paper.write(facts.gather(stay, now))})


@door.for_guest
@require_http_methods(["GET", "HEAD"])
def file(request: HttpRequest, stay: Stay, now: datetime) -> HttpResponse:
    """The same as a PDF."""
    return as_pdf(stay, now)


def as_pdf(stay: Stay, now: datetime) -> HttpResponse:
    """The receipt of this stay in the language that is spoken now."""
    from bookings.portal.receipt import pdf  # of fpdf2 and its fonts' tables: a fifth of the start of each process

    drawn = pdf.draw(paper.write(facts.gather(stay, now)), now)
    name = f"receipt-{stay.booking.sirvoy_id}.pdf"
    headers = {"Content-Disposition": f'inline; filename="{name}"'}
    return HttpResponse(drawn, content_type="application/pdf", headers=headers)

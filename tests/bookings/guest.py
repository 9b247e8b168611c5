"""A guest's browser."""

import re
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from bookings import links
from bookings.models import Stay

COMES_IN = "/stay/?in"
"""Where who comes in is led to."""


def enter(stay: Stay, **values: Any) -> Client:
    """A browser that came by the stay's link; it sends what forms need against forgery."""
    client = Client(enforce_csrf_checks=True, **values)
    answer = client.get(links.path(links.make(stay, None)))
    assert (answer.status_code, answer["Location"]) == (303, COMES_IN)
    return client


def page(client: Client) -> str:
    answer = client.get(reverse("portal-page"))
    assert answer.status_code == 200, answer.status_code
    return read(answer)


def read(answer: HttpResponse) -> str:
    """A page without its style sheet, and without what scripts need to keep ages true."""
    text = re.sub(r"<style\b.*?</style>", "", answer.content.decode(), flags=re.DOTALL)
    return re.sub(r"</?time\b[^>]*>", "", text)


def post(client: Client, name: str, **told: str) -> HttpResponse:
    """As a form on one of the pages sends it."""
    if "csrftoken" not in client.cookies:
        client.get(reverse("portal-find"))
    client.get(reverse("portal-page"))
    return client.post(reverse(name), told | {"csrfmiddlewaretoken": client.cookies["csrftoken"].value})

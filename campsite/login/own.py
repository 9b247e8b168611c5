"""The page of one's own log-in: the second step, and leaving all other browsers."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from campsite.login import attempts, backends, factors, halfway, pages, sessions
from campsite.login.forms import CodeForm


@admin.site.admin_view
def page(request: HttpRequest) -> HttpResponse:
    return _shown(request, CodeForm())


def _shown(request: HttpRequest, form: CodeForm) -> HttpResponse:
    user: Any = request.user
    has_one = factors.has_one(user)
    told = {
        "title": _("My log-in"),
        "has_one": has_one,
        "is_asked": factors.is_asked_of(user),
        "codes_left": factors.codes_left(user) if has_one else 0,
        "form": form,
    }
    return TemplateResponse(request, "admin/login/own.html", {**admin.site.each_context(request), **told})


@admin.site.admin_view
def switch_on(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    if factors.has_one(user):
        return redirect("my-log-in")

    def done() -> str:
        login(request, user, backends.BY_BOTH)
        return reverse("my-log-in")

    return pages.take_telephone(request, user, done)


@require_POST
@admin.site.admin_view
def change(request: HttpRequest) -> HttpResponse:
    """New recovery codes, or this telephone no more: for who must have one, another in its place. Whoever found the
    browser open cannot do it: it needs a code.
    """
    user: Any = request.user
    form = CodeForm(request.POST)
    if not form.is_valid() or not _is_proven(request, user, form):
        return _shown(request, form)
    if "new_codes" in request.POST:
        return pages.show_codes(request, factors.new_codes(user), reverse("my-log-in"))
    factors.take_away(user, user)
    sessions.end(user, user, but=request.session.session_key)  # else the next telephone would open them again
    if factors.is_asked_of(user):
        halfway.begin(request, user, reverse("my-log-in"))
        return redirect("login-enrol")
    login(request, user, backends.BY_PASSWORD)
    return redirect("my-log-in")


def _is_proven(request: HttpRequest, user: User, form: CodeForm) -> bool:
    if not attempts.is_allowed(request, user):
        form.add_error("code", _("Too many tries. Wait a quarter of an hour."))
        return False
    try:
        factors.prove(user, form.cleaned_data["code"])
    except factors.Refused as refused:
        form.add_error("code", pages.refused_words(refused))
        if refused.until is None:
            attempts.failed(request, user)
        return False
    return True


@require_POST
@admin.site.admin_view
def leave(request: HttpRequest) -> HttpResponse:
    """Log out everywhere but here."""
    user: Any = request.user
    ended = sessions.end(user, user, but=request.session.session_key)
    words = ngettext("Logged out of %(count)d other browser.", "Logged out of %(count)d other browsers.", ended)
    messages.success(request, words % {"count": ended} if ended else _("You were logged in nowhere else."))
    return redirect("my-log-in")

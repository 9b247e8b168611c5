"""The pages of a log-in, one step each: password, a password of one's own, a second step. They decide nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from axes.decorators import get_lockout_response
from django.contrib import admin, messages
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from unfold.forms import AuthenticationForm

from campsite.login import attempts, backends, browsers, factors, halfway, passwords
from campsite.login.forms import CodeForm, OwnPasswordForm
from meters import qr

HalfPage = Callable[[HttpRequest, User], HttpResponse]


@method_decorator(sensitive_post_parameters("password"), name="dispatch")
class PasswordPage(LoginView):
    """The first step: the admin's own form."""

    template_name = "admin/login.html"
    form_class = AuthenticationForm

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if admin.site.has_permission(request):
            return redirect(self.get_success_url())
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **told: Any) -> dict[str, Any]:
        page = {"title": _("Log in"), "app_path": self.request.get_full_path(), "next": self.get_success_url()}
        return super().get_context_data(**told) | _around(self.request) | page

    def get_default_redirect_url(self) -> str:
        return reverse("admin:index")

    def form_valid(self, form: Any) -> HttpResponse:
        halfway.begin(self.request, form.get_user(), self.get_success_url())
        return _go_on(self.request, form.get_user())


password_page = never_cache(PasswordPage.as_view())


def _step(page: HalfPage) -> Callable[[HttpRequest], HttpResponse]:
    """A page for who has told his password; who has not, or too long ago, begins anew."""

    @sensitive_post_parameters()
    @never_cache
    @csrf_protect
    def shown(request: HttpRequest) -> HttpResponse:
        user = halfway.who(request)
        return page(request, user) if user else redirect("admin:login")

    return shown


@_step
def own_password(request: HttpRequest, user: User) -> HttpResponse:
    """Somebody else chose the present one. Who has a telephone proves it first: the password alone changes nothing."""
    if not passwords.is_given(user) or _owes_code(request, user):
        return _go_on(request, user)
    form = OwnPasswordForm(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        passwords.choose(user, form.cleaned_data["new_password1"])
        halfway.follow(request, user)
        return _go_on(request, user)
    return _page(request, "own_password", _("Choose your own password"), whose=user, form=form)


@_step
def code(request: HttpRequest, user: User) -> HttpResponse:
    """The second step."""
    form = CodeForm(request.POST or None, is_all=True)
    if not attempts.is_allowed(request, user):
        return get_lockout_response(request, credentials={"username": user.username})
    if request.method == "POST" and form.is_valid() and factors.has_one(user):
        try:
            factors.prove(user, form.cleaned_data["code"])
        except factors.Refused as refused:
            form.add_error("code", refused_words(refused))
            if refused.until is None:
                attempts.failed(request, user)
        else:
            _tell_of_paper(request, user, form.cleaned_data["code"])
            halfway.prove(request)
            return _go_on(request, user)
    return _page(request, "code", _("Second step"), whose=user, form=form)


@_step
def enrol(request: HttpRequest, user: User) -> HttpResponse:
    """A second step is asked of him, and he has none yet."""
    if factors.has_one(user) or passwords.is_given(user):
        return _go_on(request, user)
    response = take_telephone(request, user, lambda: _log_in(request, user, backends.BY_BOTH))
    if request.user.is_authenticated:
        browsers.remember(request, response, user.username)
    return response


def take_telephone(request: HttpRequest, user: User, done: Callable[[], str]) -> HttpResponse:
    """Show the QR code until a telephone proves that it has read it, then the recovery codes, once."""
    key = request.session.setdefault("new_telephone", factors.new_key())
    form = CodeForm(request.POST or None, takes_paper=False)
    if request.method == "POST" and form.is_valid():
        try:
            codes = factors.switch_on(user, key, form.cleaned_data["code"])
        except factors.Refused:
            form.add_error("code", _("This is not what the telephone shows now. Is its clock set by itself?"))
        else:
            del request.session["new_telephone"]
            return show_codes(request, codes, done())
    address = factors.address(user, key)
    told = {"qr": qr.svg(address), "address": address, "letters": factors.in_letters(key)}
    return _page(request, "enrol", _("Log in with your telephone, too"), whose=user, form=form, **told)


def show_codes(request: HttpRequest, codes: list[str], then: str) -> HttpResponse:
    return _page(request, "recovery_codes", _("Recovery codes"), codes=codes, then=then)


def refused_words(refused: factors.Refused) -> str:
    if refused.until is None:
        return _("This code is wrong, or was used before. Wait for the next one.")
    seconds = max(1, round((refused.until - timezone.now()).total_seconds()))
    return _("Too many wrong codes one after the other: wait %(seconds)d seconds.") % {"seconds": seconds}


def shut(request: HttpRequest, response: HttpResponse | None = None, credentials: Any = None) -> HttpResponse:
    """What is shown instead while no try is looked at (settings.AXES_LOCKOUT_CALLABLE)."""
    until: datetime = getattr(request, "log_in_shut_until", None) or timezone.now()
    told = {"until": until, "title": _("Too many tries")}
    page = TemplateResponse(request, "admin/login/shut.html", _around(request) | told, status=429).render()
    add_never_cache_headers(page)
    page.headers["Retry-After"] = str(max(1, round((until - timezone.now()).total_seconds())))
    return page


# --- from step to step -----------------------------------------------------------------------------------------------


def _go_on(request: HttpRequest, user: User) -> HttpResponse:
    """What is asked next of who has told his password."""
    if _owes_code(request, user):
        return redirect("login-code")
    if passwords.is_given(user):
        return redirect("login-own-password")
    if halfway.is_proven(request):
        return _done(request, user, backends.BY_BOTH)
    if factors.is_asked_of(user):
        return redirect("login-enrol")
    return _done(request, user, backends.BY_PASSWORD)


def _owes_code(request: HttpRequest, user: User) -> bool:
    return factors.has_one(user) and not halfway.is_proven(request)


def _done(request: HttpRequest, user: User, backend: str) -> HttpResponse:
    response = redirect(_log_in(request, user, backend))
    browsers.remember(request, response, user.username)
    return response


def _log_in(request: HttpRequest, user: User, backend: str) -> str:
    """Returns where to go."""
    then = halfway.end(request)
    login(request, user, backend)
    return then


def _tell_of_paper(request: HttpRequest, user: User, code: str) -> None:
    """That a recovery code was used, and how many are left."""
    if not factors.is_of_telephone(code):
        left = factors.codes_left(user)
        messages.warning(request, _("That recovery code is used up. %(left)d are left.") % {"left": left})


def _page(request: HttpRequest, name: str, title: str, **told: Any) -> HttpResponse:
    return TemplateResponse(request, f"admin/login/{name}.html", _around(request) | told | {"title": title})


def _around(request: HttpRequest) -> dict[str, Any]:
    """What the theme needs of a page of somebody who is not logged in."""
    return {**admin.site.each_context(request), "has_permission": False, "whose": ""}

"""A user's page in the admin: whether there is a second step, and what a manager can do about somebody's log-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from campsite.login import attempts, factors, passwords, sessions
from meters.admin.access import UserAdmin

for _table in (User, *factors.TABLES):  # the library's own pages show the secrets
    admin.site.unregister(_table)


@admin.register(User)
class Accounts(UserAdmin):
    """Each act is for those who may change this user; the audit log tells of it."""

    list_display = [*UserAdmin.list_display, "second_step"]
    change_form_outer_before_template = "admin/login/account.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).annotate(has_second_step=factors.HAVE_ONE)

    @admin.display(description=gettext_lazy("second step"), boolean=True)
    def second_step(self, user: Any) -> bool:
        return bool(user.has_second_step)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Whether a password was given is told by the last log-in: passwords.is_given."""
        return [*super().get_readonly_fields(request, obj), "last_login", "date_joined"]

    def get_urls(self) -> list[URLPattern]:
        acts = {"leave": self.log_out, "telephone": self.take_away, "let-in": self.let_in}
        views = [(name, self.admin_site.admin_view(require_POST(self._act(act)))) for name, act in acts.items()]
        return [
            path(f"<path:object_id>/{name}/", view, name=f"auth_user_{name}") for name, view in views
        ] + super().get_urls()

    def _act(self, act: Callable[[HttpRequest, User], str]) -> Callable[[HttpRequest, str], HttpResponse]:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            user = self.get_object(request, object_id)
            if user is None:
                raise Http404
            if not self.has_change_permission(request, user):
                raise PermissionDenied
            messages.success(request, act(request, user))
            return redirect("admin:auth_user_change", user.pk)

        return view

    def log_out(self, request: HttpRequest, user: User) -> str:
        sessions.end(user, request.user)
        return _("%(user)s is logged out everywhere.") % {"user": user}

    def take_away(self, request: HttpRequest, user: User) -> str:
        """Somebody else's; one's own needs a code: my-log-in."""
        if user == request.user:
            raise PermissionDenied
        factors.take_away(user, request.user)
        sessions.end(user, request.user)
        return _("%(user)s has no second step any more, and is logged out everywhere.") % {"user": user}

    def let_in(self, request: HttpRequest, user: User) -> str:
        attempts.let_in(user, request.user)
        return _("What was tried in the name of %(user)s is forgotten: the log-in is open.") % {"user": user}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        user = self.get_object(request, object_id)
        may = user is not None and self.has_change_permission(request, user)
        told = {"account": user if may else None, "tries": attempts.tries(user) if user is not None and may else 0}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | told)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not obj.is_active:
            sessions.shut(obj, request.user)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """A password that somebody else set is one that he is given. One's own needs the one before: whoever finds the
        browser open does not know it.
        """
        user = self.get_object(request, id)
        if user == request.user:
            return redirect("admin:password_change")
        response: HttpResponse = super().user_change_password(request, id, form_url)
        now = User.objects.filter(pk=user.pk).first() if user else None
        if user and now and now.password != user.password:
            passwords.given(now, request.user)
        return response

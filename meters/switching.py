"""The staff's side of switching, over HTTP: JSON in, JSON out. It decides nothing: meters/commands does.

Every refusal is {"error": {"code", "message"}}: 400 what was asked is wrong, 403 not allowed, 404 not there,
409 no longer possible.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from meters import commands, live, online, wishes
from meters.commands import queue
from meters.models import Command, Meter, Order, Source

MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"
MOST_METERS = 2000
MOST_RELEASERS = 5
LONGEST_TEXT = 250
LONGEST_KEY = 100
GREATEST_ID = 2**63 - 1
CONFLICTS = (commands.Gone, commands.KeyUsed, commands.AlreadyStopped, commands.NotStopped)
PERMISSIONS = {
    "switch": "meters.switch_meter",
    "stop": "meters.add_automaticstop",
    "resume": "meters.resume_automatic",
}


def page(user: User | AnonymousUser) -> dict[str, Any]:
    """What the scripts of a page must know of its reader, and of the rules."""
    return page_of_nobody() | {
        "may": {name: user.has_perm(permission) for name, permission in PERMISSIONS.items()},
    }


def page_of_nobody() -> dict[str, Any]:
    """The same of a reader who may do nothing. Needs no database."""
    return {
        "may": {},
        "now": live.ms(timezone.now()),
        "zone": settings.TIME_ZONE,
        "attempts": queue.ATTEMPTS,
        "offs_an_hour": settings.AUTOMATIC_OFFS_AN_HOUR,
        "offered": wishes.OFFERED,
        "waits_min": round(settings.COMMAND_DEADLINE_S / 60),
    }


def releasers(user: User | AnonymousUser) -> list[str]:
    """Whom to ask to end a stop, by name, at most so many; nobody where this person may do it."""
    if user.has_perm(PERMISSIONS["resume"]):
        return []
    able = User.objects.with_perm(PERMISSIONS["resume"], backend=MODEL_BACKEND).filter(is_staff=True)
    able = able.order_by("is_superuser", "username")
    return [person.get_full_name() or person.get_username() for person in able[:MOST_RELEASERS]]


# --- asking ----------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Refused(Exception):
    """An answer to bad input; `message` is for people."""

    code: str
    message: str | Promise
    status: HTTPStatus = HTTPStatus.BAD_REQUEST


Body = dict[str, Any]
View = Callable[..., HttpResponse]


def action(permission: str) -> Callable[[Callable[..., Body]], View]:
    """A view for people with this permission: given the request, its JSON object and what stands in the address."""

    def decorate(act: Callable[..., Body]) -> View:
        @never_cache
        @require_POST
        @wraps(act)
        def view(request: HttpRequest, **place: Any) -> HttpResponse:
            try:
                _allow(request, PERMISSIONS[permission])
                return JsonResponse(act(request, _body(request), **place))
            except Refused as refused:
                return _refusal(refused.code, refused.message, refused.status)
            except commands.SwitchingError as error:
                status = HTTPStatus.CONFLICT if isinstance(error, CONFLICTS) else HTTPStatus.BAD_REQUEST
                return _refusal(error.code, error.message, status)

        return view

    return decorate


def _refusal(code: str, message: str | Promise, status: HTTPStatus) -> JsonResponse:
    return JsonResponse({"error": {"code": code, "message": str(message)}}, status=status)


def _allow(request: HttpRequest, permission: str) -> None:
    user = request.user
    if not (user.is_active and user.is_staff):
        raise Refused("logged_out", _("You are logged out. Load the page again and log in."), HTTPStatus.FORBIDDEN)
    if not user.has_perm(permission):
        raise Refused("not_allowed", _("You are not allowed to do this."), HTTPStatus.FORBIDDEN)


def _body(request: HttpRequest) -> Body:
    try:
        body = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise _invalid()
    return body


def _invalid() -> Refused:
    return Refused("invalid", _("This was not understood. Load the page again."))


def _meters(body: Body) -> list[Meter]:
    ids = body.get("meters")
    if not isinstance(ids, list) or not 0 < len(ids) <= MOST_METERS or not all(map(_is_id, ids)):
        raise _invalid()
    found = list(online.meters().filter(pk__in=ids))
    if len(found) < len(set(ids)):
        raise Refused("not_found", _("A meter is not there any more. Load the page again."), HTTPStatus.NOT_FOUND)
    return found


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 < value <= GREATEST_ID


def _state(body: Body) -> bool:
    state = body.get("state")
    if not isinstance(state, bool):
        raise _invalid()
    return state


def _text(body: Body, name: str, longest: int = LONGEST_TEXT) -> str:
    text = body.get(name, "")
    if not isinstance(text, str) or "\x00" in text or not _is_unicode(text):
        raise _invalid()
    return text.strip()[:longest]


def _is_unicode(text: str) -> bool:
    """JSON may hold half a character."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _until(body: Body) -> datetime | None:
    """ISO 8601; a time without a zone is the campsite's."""
    text = body.get("until")
    if text in (None, ""):
        return None
    try:
        moment = parse_datetime(text) if isinstance(text, str) else None
        if moment is None:
            raise Refused("bad_time", _("This is not a time."))
        aware = timezone.make_aware(moment) if timezone.is_naive(moment) else moment
        return aware.astimezone(timezone.get_default_timezone())
    except (ValueError, OverflowError):
        raise Refused("bad_time", _("This is not a time.")) from None


def _there(model: type[Model], pk: int) -> Any:
    found = model._default_manager.filter(pk=pk).first() if _is_id(pk) else None
    if found is None:
        raise Refused("not_found", _("It is not there any more."), HTTPStatus.NOT_FOUND)
    return found


# --- acts ------------------------------------------------------------------------------------------------------------


@action("switch")
def plan(request: HttpRequest, body: Body) -> Body:
    """What an order would do: {meters: [id], state} → counts, seconds, and meters as [{id, name}]."""
    now = timezone.now()
    told = commands.orders.preview(_meters(body), _state(body), now)
    return {
        "state": told.state,
        "meters": told.meters,
        "is_heard": told.is_heard,
        "seconds": told.seconds,
        "already": told.already,
        "offline": _named(told.offline),
        "depending": _named(told.depending),
        "skipped": [_name(meter) | {"code": why.code} for meter, why in told.skipped],
        "needs_reason": told.needs_reason,
        "deadline": live.ms(commands.waits_until(now)),
    }


@action("switch")
def order(request: HttpRequest, body: Body) -> Body:
    """{meters, state, reason, until, key} → {order: id}. The same key leads to the same order again."""
    made = commands.order(
        _meters(body),
        _state(body),
        reason=_text(body, "reason"),
        by=_user(request),
        until=_until(body),
        key=_text(body, "key", LONGEST_KEY),
    )
    return {"order": made.pk}


@action("switch")
def cancel_order(request: HttpRequest, body: Body, pk: int) -> Body:
    """Cancel what of this order was not sent yet → {cancelled: how many}."""
    found = _there(Order, pk).commands.values_list("pk", flat=True)
    return {"cancelled": commands.cancel(found, _user(request))}


@action("switch")
def cancel_command(request: HttpRequest, body: Body, pk: int) -> Body:
    """Cancel a command that was not sent yet → {cancelled: 0 or 1}."""
    return {"cancelled": commands.cancel([_there(Command, pk).pk], _user(request))}


@action("switch")
def plan_let_go(request: HttpRequest, body: Body) -> Body:
    """What letting go would lead to: {meters: [id]} → {held: of how many staff want something, then}.

    `then`: [{state, source, meters: [{id, name}], moving: of how many the relay says otherwise}]; state and source
    are null where nobody else wants anything.
    """
    rows = [row for row in commands.orders.letting_go(_meters(body), timezone.now()) if row.staff]
    groups: dict[tuple[bool | None, str | None], list[Meter]] = {}
    for row in rows:
        key = (row.then.state, row.then.source) if row.then else (None, None)
        groups.setdefault(key, []).append(row.meter)
    return {"held": len(rows), "then": [_then(*key, meters) for key, meters in groups.items()]}


def _then(state: bool | None, source: str | None, meters: list[Meter]) -> Body:
    moving = 0 if state is None else sum(meter.relay is (not state) for meter in meters)
    return {"state": state, "source": source, "meters": _named(meters), "moving": moving}


@action("switch")
def let_go(request: HttpRequest, body: Body) -> Body:
    """Staff want nothing of these meters any more → {ended: of how many they did}."""
    reason = _text(body, "reason")
    return {"ended": len(commands.end_all(_meters(body), Source.STAFF, _user(request), reason))}


@action("stop")
def stop(request: HttpRequest, body: Body) -> Body:
    """Halt everything automatic → {since: ms}."""
    return {"since": live.ms(commands.stop.press(_user(request), _text(body, "reason")).since)}


@action("resume")
def release(request: HttpRequest, body: Body) -> Body:
    """Let the software switch by itself again → {}."""
    commands.stop.release(_user(request))
    return {}


def _user(request: HttpRequest) -> User:
    user = request.user
    if not isinstance(user, User):
        raise Refused("logged_out", _("You are logged out. Load the page again and log in."), HTTPStatus.FORBIDDEN)
    return user


def _named(meters: list[Meter]) -> list[Body]:
    return [_name(meter) for meter in meters]


def _name(meter: Meter) -> Body:
    return {"id": meter.pk, "name": meter.device.friendly_name}

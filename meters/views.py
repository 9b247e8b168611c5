"""The live board, its help and a meter's page, for staff. They show; they decide nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.admin.views.decorators import staff_member_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from meters import charts, history, last_known, live, online, switching, wishes, words
from meters.commands import queue
from meters.models import Command, FoundInstance, Meter, MeterState

DAYS_SHOWN = 7
QUARANTINED_SHOWN = 5
COMMANDS_SHOWN = 10


@staff_member_required
@never_cache
def board(request: HttpRequest) -> HttpResponse:
    state = live.snapshot()
    found = 0 if state["areas"] else FoundInstance.objects.count()
    page = switching.page(request.user) | {"releasers": switching.releasers(request.user)}
    told = {"state": state, "words": words.board(), "page": page, "found": found}
    response = render(request, "board/board.html", told)
    last_known.give_pass(request, response)
    return response


@never_cache
def board_state(request: HttpRequest) -> HttpResponse:
    """The whole state, for boards without a socket. 403 instead of a log-in page: a script asks."""
    if not (request.user.is_active and request.user.is_staff):
        return JsonResponse({"error": "staff only"}, status=HTTPStatus.FORBIDDEN)
    return JsonResponse(live.snapshot())


@staff_member_required
def help_page(request: HttpRequest) -> HttpResponse:
    """What becomes of a command, and what the software does by itself."""
    told = {
        "attempts": queue.ATTEMPTS,
        "deadline_minutes": round(settings.COMMAND_DEADLINE_S / 60),
        "corrections": settings.CORRECTIONS_AN_HOUR,
        "offs": settings.AUTOMATIC_OFFS_AN_HOUR,
    }
    return render(request, "board/help.html", told)


@staff_member_required
@never_cache
def meter(request: HttpRequest, ieee: str) -> HttpResponse:
    """What a meter is, tells and told. The page asks for itself again and takes over what has changed."""
    if "\0" in ieee:  # no text of PostgreSQL's can hold it
        raise Http404
    found = get_object_or_404(online.meters().select_related("device__area"), device__ieee_address=ieee)
    now = timezone.now()
    told = {"words": words.board(), "page": switching.page(request.user)}
    facts = _page(found, now)
    return render(request, "board/meter.html", told | facts | _switching(found, facts["status"], now))


# --- a meter's page --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Value:
    """A quantity as it is shown: a number or a word, and when it was true."""

    label: str | Promise
    value: Decimal | int | str | Promise | None
    unit: str
    at: datetime | None
    is_stale: bool
    phases: Sequence[tuple[str, Decimal | int | None]] = ()


def _page(meter: Meter, now: datetime) -> dict[str, Any]:
    status = online.status(meter, online.link(now), now)
    days = history.last_days(DAYS_SHOWN, now)
    stretches = history.stretches(meter, days[0][1], now)
    day_ago = now - timedelta(days=1)
    return {
        "meter": meter,
        "device": meter.device,
        "now": now,
        "status": status,
        "status_word": online.WORDS[status.status],
        "symbol": _symbol(meter, status, now),
        "reason": online.REASONS[status.reason],
        "state": MeterState.of(meter),
        "values": _values(meter, status, now),
        "installation": meter.installations.filter(period__contains=now).select_related("pitch").first(),
        "chart": charts.bar_chart(history.hours(meter, timezone.localdate(now), now)),
        "last_24_hours": charts.strip(history.cut(stretches, day_ago, now), day_ago, now),
        "days": [(day, charts.strip(history.cut(stretches, start, end), start, end)) for day, start, end in days],
        "interruptions": [s for s in reversed(stretches) if s.status is not online.Status.ONLINE and not s.is_before],
        "epochs": list(meter.epochs.order_by("number")[1:]),
        "quarantined": list(meter.quarantined.all()[:QUARANTINED_SHOWN]),
        "readings": history.last_readings(meter, now),
    }


def _symbol(meter: Meter, status: online.Online, now: datetime) -> str:
    if not status.is_online:
        return status.status.value
    state = meter.state  # who is online has been heard
    if state.relay is None and meter.device.has_relay and (state.is_frozen(now) or not state.power_w):
        return "unknown"
    return "off" if state.relay is False else "on"


def _values(meter: Meter, status: online.Online, now: datetime) -> list[Value]:
    state = MeterState.of(meter)
    frozen, gone = state.is_frozen(now), not status.is_online

    def measured(label: Any, unit: str, number: Any, at: datetime | None, phases: list[Any] | None) -> Value:
        by_phase = [(f"L{index}", told) for index, told in enumerate(phases or [], 1)]
        return Value(label, number, unit, at or state.phases_at, gone or frozen, by_phase)

    switch = None if state.relay is None else _("on") if state.relay else _("off")
    if not meter.device.has_relay and switch is None:
        switch = _("has none")
    return [
        Value(_("Switch"), switch, "", state.relay_at, gone),
        measured(_("Power"), "W", state.power_w, state.power_at, state.phase_power_w),
        measured(_("Voltage"), "V", state.voltage_v, state.voltage_at, state.phase_voltage_v),
        measured(_("Current"), "A", state.current_a, state.current_at, state.phase_current_a),
        Value(_("Counter"), state.counter_kwh, "kWh", state.counter_at, gone),
        Value(_("Radio link"), state.linkquality, "/ 255", state.linkquality_at, gone),
    ]


# --- what is wanted of it --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Effort:
    """A command as it is shown, and how it ended or stands."""

    command: Command
    text: str


def _switching(meter: Meter, status: online.Online, now: datetime) -> dict[str, Any]:
    """Its open wants, the highest first (`ruling` is in force), and last commands; `wish`: a key of words.BOARD.

    `is_moving`: a command is under way, and not merely parked until the meter is heard or its next attempt is due.
    """
    wants = list(meter.wants.filter(ended_at=None).select_related("by").order_by("-priority"))
    ruling = next((want for want in wants if want.until is None or want.until > now), None)
    newest = list(meter.commands.select_related("want__by", "order__by")[:COMMANDS_SHOWN])
    under_way = newest[0] if newest and newest[0].is_open else None
    wish = wishes.of(ruling, meter.relay, under_way, is_online=status.is_online)
    return {
        "wants": wants,
        "ruling": ruling,
        "wish": wish,
        "wish_word": words.BOARD.get(wish, ""),
        "is_switching": wish.startswith("being_"),
        "is_moving": under_way is not None and _is_moving(under_way, status),
        "efforts": [Effort(command, _ending(command, now)) for command in newest],
        "under_way": under_way,
        "is_cancellable": under_way is not None and not under_way.automatic and under_way.claimed_at is None,
        "offer": words.BOARD.get(wishes.offer(ruling, wish), ""),
    }


def _is_moving(command: Command, status: online.Online) -> bool:
    if command.status != Command.Status.QUEUED:
        return True
    return status.is_online and command.not_before is None


def _ending(command: Command, now: datetime) -> str:
    """In words: why it failed, or what it waits for. Empty where it is confirmed."""
    wrong = command.get_failure_display()
    values = {
        "wrong": wrong,
        "n": command.attempts + 1,
        "most": queue.ATTEMPTS,
        "at": _clock(command.not_before, now),
        "until": _clock(command.expires_at, now),
    }
    match command.status:
        case Command.Status.QUEUED if command.not_before:
            return words.fill("command_again", **values)
        case Command.Status.QUEUED:
            return words.fill("command_waiting", **values)
        case Command.Status.FAILED:
            key = "command_failed_one" if command.attempts == 1 else "command_failed"
            return words.fill(key, **values | {"n": command.attempts})
        case Command.Status.EXPIRED:
            return words.fill("command_expired", **values)
    return str(wrong)


def _clock(moment: datetime | None, now: datetime) -> str:
    """A time of day at the campsite, with the day when it is another one."""
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    today = local.date() == timezone.localdate(now)
    return formats.date_format(local, gettext("H:i") if today else gettext("j. M H:i"))

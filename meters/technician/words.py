"""The words of the technician's pages: what a device waits for, and what became of what was asked."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from meters import requests
from meters.models import BridgeRequest
from meters.online import REASONS, Online
from meters.technician.stages import Arrival, Stage

STAGES: dict[Stage, Promise] = {
    Stage.LEFT: _("has left again"),
    Stage.INTERVIEWING: _("is being interviewed"),
    Stage.FAILED: _("interview failed"),
    Stage.UNSUPPORTED: _("model is not known"),
    Stage.NO_METER: _("no meter"),
    Stage.UNNAMED: _("needs a name"),
    Stage.FREE: _("needs a pitch"),
    Stage.UNHEARD: _("hangs, not heard yet"),
    Stage.DONE: _("hangs, and has been heard"),
}
HEARD, SILENT = _("hangs, and is heard"), _("hangs, and is not heard just now")
TODO: dict[Stage, Promise] = {
    Stage.LEFT: _("Hold its button until its lamp flashes: it joins again, if the area is open."),
    Stage.INTERVIEWING: _("Zigbee2MQTT asks it what it is. That takes some seconds; stay here."),
    Stage.FAILED: _("It did not answer all questions. Come nearer to the antenna or a repeater, and press Try again."),
    Stage.UNSUPPORTED: _(
        "Zigbee2MQTT does not know this model, so it tells no kWh. Do not put it up; tell whoever keeps Zigbee2MQTT."
    ),
    Stage.NO_METER: _("It measures nothing: a repeater or something else. It needs a name, and no pitch."),
    Stage.UNNAMED: _("Give it the name that stands on the stand."),
    Stage.FREE: _("Choose the pitch that it serves."),
    Stage.UNHEARD: _("Wait for its first values. They come within minutes; with a load they come sooner."),
    Stage.DONE: _("Nothing is left to do."),
}
SLOW = _("It takes longer than it should. Come nearer to the antenna, press its button briefly, then press Try again.")
ASKED: dict[str, Promise] = {
    "device/interview": _("Interview"),
    "device/rename": _("New name"),
    "device/remove": _("Removal"),
    "device/configure": _("Configuration"),
    "device/reporting/configure": _("How often its counter comes"),
    "device/options": _("Options"),
}


def standing(arrival: Arrival, heard: Online | None) -> tuple[Promise, str | Promise]:
    """How far it has come, and what to do. One that has hung for long may have fallen silent since: then why."""
    if arrival.stage is not Stage.DONE or heard is None:
        return STAGES[arrival.stage], SLOW if arrival.is_slow else TODO[arrival.stage]
    if heard.is_online:
        return HEARD, TODO[Stage.DONE]
    return SILENT, f"{capfirst(REASONS[heard.reason])}."


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request stands. `kind`: waiting, done or wrong; `detail`: what Zigbee2MQTT said, in its words."""

    title: str
    kind: str
    text: str
    detail: str = ""


def outcome(asked: BridgeRequest) -> Outcome:
    """What became of it, and what to do next."""
    title = str(ASKED.get(asked.request, asked.request))
    match asked.status:
        case BridgeRequest.Status.QUEUED:
            return Outcome(title, "waiting", gettext("Waits until the worker has the broker; it is sent by itself."))
        case BridgeRequest.Status.SENT:
            return Outcome(title, "waiting", gettext("Zigbee2MQTT was asked; its answer is awaited."))
        case BridgeRequest.Status.DONE:
            return Outcome(title, "done", gettext("Zigbee2MQTT says that it is done."))
        case BridgeRequest.Status.REFUSED:
            return Outcome(title, "wrong", gettext("Zigbee2MQTT could not do it."), asked.error)
    again = gettext("Nobody answered. Look at the board whether this area's Zigbee2MQTT runs, then press again.")
    return Outcome(title, "wrong", again)


def is_waiting(asked: BridgeRequest | None) -> bool:
    return asked is not None and asked.status in requests.OPEN

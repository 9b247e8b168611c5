"""Why something may not be switched. `code` is for machines, the text for people."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class SwitchingError(Exception):
    """Expected, and to be shown to whoever asked. `field`: what of an order would mend it; "": nothing would."""

    code = "switching"
    field = ""
    message: str | Promise = _("This cannot be switched.")

    def __init__(self, message: str | Promise = "") -> None:
        self.message = message or self.message
        super().__init__(self.message)

    def __str__(self) -> str:
        return str(self.message)


class NoRelay(SwitchingError):
    code = "no_relay"
    message = _("This meter has no relay: it measures only.")


class Gone(SwitchingError):
    code = "gone"
    message = _("This meter was removed from Zigbee2MQTT.")


class NeedsReason(SwitchingError):
    code = "needs_reason"
    field = "reason"
    message = _("Somebody may depend on this power: write why it is switched off.")


class Protected(SwitchingError):
    code = "protected"
    message = _("This pitch is never switched automatically.")


class BadTime(SwitchingError):
    code = "bad_time"
    field = "until"
    message = _("The end must lie in the future.")


class NothingToSwitch(SwitchingError):
    code = "nothing_to_switch"
    message = _("None of these meters can be switched.")


class KeyUsed(SwitchingError):
    code = "key_used"
    message = _("This key was used before, for something else.")


class NotManaged(SwitchingError):
    code = "not_managed"
    message = _("Nobody wants anything of this meter: there is nothing to try again.")


class AlreadyStopped(SwitchingError):
    code = "already_stopped"
    message = _("Everything automatic is stopped already.")


class NotStopped(SwitchingError):
    code = "not_stopped"
    message = _("Nothing is stopped.")

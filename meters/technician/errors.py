"""Why something is not done, for people."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class TechnicianError(Exception):
    """Expected, and to be shown to whoever asked. `code` is for machines."""

    code = "technician"
    message: str | Promise = _("This cannot be done now.")

    def __init__(self, message: str | Promise = "") -> None:
        self.message = message or self.message
        super().__init__(self.message)

    def __str__(self) -> str:
        return str(self.message)

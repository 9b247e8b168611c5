"""Who sees guests in the admin: whoever may see guests. All others see, and find by, numbers and pitches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext

from bookings.models import Booking
from meters.admin.base import NOTHING, ReadOnlyAdmin, Text

SEE = "bookings.view_guest"


def may_see(request: HttpRequest) -> bool:
    return bool(request.user.has_perm(SEE))


def name_of(booking: Booking) -> str:
    """The guest's; that he was forgotten; – where Sirvoy named nobody."""
    guest = getattr(booking, "guest", None)
    if guest is None:
        return NOTHING
    return gettext("forgotten") if guest.erased_at else str(guest) or NOTHING


class WithGuests(ReadOnlyAdmin):
    """Of its columns and fields, those in `personal`, and of what it is found by, `search_personal`, only for these."""

    personal: Sequence[str] = ()
    search_personal: Sequence[str] = ()
    search_personal_help_text: Text = ""

    def get_list_display(self, request: HttpRequest) -> list[str]:
        return self._shown(super().get_list_display(request), request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self._shown(super().get_fields(request, obj), request)

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return [*super().get_search_fields(request), *(self.search_personal if may_see(request) else ())]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        if self.search_personal and may_see(request):
            found.search_help_text = self.search_personal_help_text
        return found

    def _shown(self, names: Sequence[Any], request: HttpRequest) -> list[Any]:
        return [name for name in names if name not in self.personal or may_see(request)]

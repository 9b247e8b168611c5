"""What the verbs of bookings note in the audit log beside a table's own columns, in words."""

from django.utils.translation import gettext_lazy as _

from bookings.models import ProblemReport
from meters.admin import history

history.NAMES |= {
    "outlet": _("outlet"),
    "guest": _("guest"),
    "language": _("language"),
    "link": _("link for the guest, number"),
    "links revoked": _("links revoked"),
    "problem": _("reported by the guest"),
    "problem solved": _("solved"),
    "package": _("package sold"),
    "charged": _("charged in Sirvoy"),
}
history.CHOICES |= dict.fromkeys(("problem", "problem solved"), ProblemReport.Kind.choices)

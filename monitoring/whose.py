"""Which area a finding is of."""

from __future__ import annotations

from collections.abc import Collection

from meters.models import Area, Device
from monitoring.findings import Finding


def areas_of(findings: Collection[Finding]) -> dict[str, int]:
    """Key → area (by id), of those that are an area's: `about` is its short name, or a meter's address of it."""
    if not findings:
        return {}
    slugs = dict(Area.objects.values_list("slug", "pk"))
    about = {finding.about for finding in findings} - slugs.keys() - {""}
    devices = Device.objects.filter(ieee_address__in=about, area__isnull=False)
    of = {**dict(devices.values_list("ieee_address", "area")), **slugs}
    return {finding.key: of[finding.about] for finding in findings if finding.about in of}

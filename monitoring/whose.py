"""Which area a finding is of."""

from __future__ import annotations

from collections.abc import Collection

from meters.models import Area, Device
from monitoring.findings import Finding


def areas_of(findings: Collection[Finding]) -> dict[str, int]:
    """Key → area (by id), of those that are an area's: `about` is its short name or a device's address of it, or its
    name stands among the facts.
    """
    if not findings:
        return {}
    areas = list(Area.objects.values_list("slug", "name", "pk"))
    names, slugs = {name: pk for _, name, pk in areas}, {slug: pk for slug, _, pk in areas}
    about = {finding.about for finding in findings} - slugs.keys() - {""}
    devices = Device.objects.filter(ieee_address__in=about, area__isnull=False)
    of = {**dict(devices.values_list("ieee_address", "area")), **slugs}
    told = {finding.key: of.get(finding.about) or names.get(str(finding.facts.get("area"))) for finding in findings}
    return {key: area for key, area in told.items() if area}

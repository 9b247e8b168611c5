"""Which tables' changes through forms are kept in the audit log. Installations are noted by their own verbs."""

from auditlog.registry import auditlog

from meters.models import Area, Meter, Pitch

auditlog.register(Area, m2m_fields={"neighbours"})
auditlog.register(Meter)
auditlog.register(Pitch, exclude_fields=["occupied_until"])

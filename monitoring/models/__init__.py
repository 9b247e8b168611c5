"""What was found wrong, who is told of it, and what is kept in case all is lost."""

from monitoring.models.alerts import Alert, AlertRoute, RouteState
from monitoring.models.backups import BackupCopy, BackupRun, Origin, RestoreDrill
from monitoring.models.incidents import Incident, IncidentNote, Look, MaintenanceWindow
from monitoring.models.retention import Forgetting

__all__ = [
    "Alert",
    "AlertRoute",
    "BackupCopy",
    "BackupRun",
    "Forgetting",
    "Incident",
    "IncidentNote",
    "Look",
    "MaintenanceWindow",
    "Origin",
    "RestoreDrill",
    "RouteState",
]

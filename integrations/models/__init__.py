"""What comes in from other systems: imports of files, and the schedules that fetch them."""

from integrations.models.importing import Import, ImportedRow, ImportReject, ScheduledImport

__all__ = ["Import", "ImportReject", "ImportedRow", "ScheduledImport"]

"""The files of an audit, for lawyers, spreadsheets and other tools; all made from one report, so that they agree."""

from lofi_pipeline.audit.export.errors import AuditFileError
from lofi_pipeline.audit.export.write import write_files

__all__ = ["AuditFileError", "write_files"]

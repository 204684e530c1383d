"""Data sets as other trainers read them, and trainings that go on elsewhere; each with its credits, whole or not at all.

What a version holds and what of it may still be used is asked of audit/; nothing in the data root is changed.
"""

from lofi_pipeline.exporting.errors import ExportError
from lofi_pipeline.exporting.export import Exported, export_dataset
from lofi_pipeline.exporting.formats import FORMATS
from lofi_pipeline.exporting.selection import LeftBehind

__all__ = ["FORMATS", "ExportError", "Exported", "LeftBehind", "export_dataset"]

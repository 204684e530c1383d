"""The formats of other trainers, by the names that `lofi export --format` takes.

Each module says which reader it was written against. They were read, and nothing was copied.
"""

from lofi_pipeline.exporting.formats.ace_step import ACE_STEP_15, ACE_STEP_V1, HOT_STEP, SIDE_STEP
from lofi_pipeline.exporting.formats.ai_toolkit import AI_TOOLKIT
from lofi_pipeline.exporting.formats.audiocraft import AUDIOCRAFT
from lofi_pipeline.exporting.formats.audiofolder import AUDIOFOLDER
from lofi_pipeline.exporting.formats.format import Format
from lofi_pipeline.exporting.formats.simpletuner import SIMPLETUNER

FORMATS: dict[str, Format] = {
    "ace-step-v1": ACE_STEP_V1,
    "ace-step-1.5": ACE_STEP_15,
    "side-step": SIDE_STEP,
    "hot-step": HOT_STEP,
    "simpletuner": SIMPLETUNER,
    "ai-toolkit": AI_TOOLKIT,
    "audiocraft": AUDIOCRAFT,
    "audiofolder": AUDIOFOLDER,
}

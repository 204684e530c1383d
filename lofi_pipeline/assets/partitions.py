"""The two partition axes: tracks, and checkpoints. Keys are added as music is dropped and checkpoints land."""

import dagster as dg

TRACKS = dg.DynamicPartitionsDefinition(name="tracks")
CHECKPOINTS = dg.DynamicPartitionsDefinition(name="checkpoints")
OWNERS = ["team:lofi"]
GPU_POOL = "gpu"

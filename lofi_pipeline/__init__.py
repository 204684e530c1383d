"""Licensed lofi music in, scored ACE-Step LoRAs out, with the licence trail in between."""

__version__ = "0.1.0"

"""The parts of the embedded base model that diffusers does not have: its codec."""

"""What training does, on a toy ACE-Step of the real classes."""

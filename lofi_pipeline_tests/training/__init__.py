"""What the training room does, on a toy ACE-Step of the real classes."""

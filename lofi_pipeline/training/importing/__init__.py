"""Taking a LoRA in that another program trained: its file is read, converted to the base's names, and committed.

Its origin stays unknown: what it was trained on, and who allowed that, nobody can prove here.
"""

"""The root of this project's own errors.

Each package derives its family from it in its own errors.py. What a library or the system raises (OSError) stays what it
is, and what is no error but a result (a refused track, a finding of an audit) is data, not an exception.
"""

from __future__ import annotations


class LofiError(Exception):
    """Something went wrong that the user can do something about: the message says what, and what to do."""

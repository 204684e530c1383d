"""Is the record intact? Every file that a data set version and a checkpoint rest on is hashed anew, and each fault is named.

What the licences say is not asked here: see audit/findings.py.
"""

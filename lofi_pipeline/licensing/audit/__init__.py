"""Audits: what fed a checkpoint or a data set version, on which licences, and whether the record is intact."""

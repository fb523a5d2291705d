"""Ranks and trainings that working directories share through one folder (docs/caching.md)."""

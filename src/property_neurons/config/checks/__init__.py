"""Contradictions of a configuration that only show across its sections."""

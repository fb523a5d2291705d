"""Pruning: which neurons a model can do without, and the smaller model (section 4 of the method)."""

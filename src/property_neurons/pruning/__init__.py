"""Which neurons a model can do without, and what is left of it (section 4 of the method)."""

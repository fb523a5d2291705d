"""Editing: a model with the neurons of a property erased, scaled, or held at a value (method, section 6)."""

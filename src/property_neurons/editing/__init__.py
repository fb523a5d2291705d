"""Editing: what a model does once the neurons of a property are erased, or otherwise held (method, section 6)."""

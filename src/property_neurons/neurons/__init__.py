"""Activation patterns, group and property neurons, and their picture in the plane."""

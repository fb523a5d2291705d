"""Find in seconds what would fail after hours: `python -m property_neurons.doctor`."""

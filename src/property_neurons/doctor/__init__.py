"""What will not work, said in seconds and before hours are spent: `python -m property_neurons.doctor`."""

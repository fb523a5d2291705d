"""How far neuron sets can be believed: a null, stability, held-out selectivity, confounds."""

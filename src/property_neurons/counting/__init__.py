"""From ranks and frames to counts: properties, the frames that are counted, pitch bins."""

"""Quality gates: metric baselines, data expectations, smoke tests of services and images."""

"""Is it good enough: metric baselines, data expectations, smoke tests of services and images."""

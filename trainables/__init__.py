"""The algorithms that the platform ships; each satisfies `mersearch.algorithm.Algorithm`."""

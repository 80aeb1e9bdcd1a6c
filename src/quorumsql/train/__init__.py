"""Training of the embedded models; the only place that needs torch."""

"""First come, first served, as a fluxplug plugin."""

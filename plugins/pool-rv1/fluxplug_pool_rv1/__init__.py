"""The pure-Python Rv1 resource pool, as a fluxplug plugin."""

"""EASY, hybrid and conservative backfill, as a fluxplug plugin."""

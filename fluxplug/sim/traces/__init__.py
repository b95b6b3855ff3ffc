"""The trace readers that come with fluxplug: SWF logs and JSON lines of jobspecs."""

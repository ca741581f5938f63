"""Models that a server of its own runs, behind the interface of our engines."""

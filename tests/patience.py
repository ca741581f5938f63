"""How long tests wait for what must come."""

PATIENCE_S = 90.0
"""More than a busy machine needs. Only a test that fails waits so long; none measures by it."""

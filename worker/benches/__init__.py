"""The worker's part of ``parley bench``."""

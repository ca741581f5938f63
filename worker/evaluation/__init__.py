"""Measures each task on real data against an honest baseline."""

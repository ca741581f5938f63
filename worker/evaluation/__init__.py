"""The evaluations: each task measured on real data against an honest baseline."""

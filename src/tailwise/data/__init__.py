"""Data sets in memory: sources, and the profiles that make them imbalanced."""

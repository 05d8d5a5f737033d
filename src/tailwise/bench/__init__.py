"""Measurements of the library's speed on the machine at hand, for ``tailwise bench``."""

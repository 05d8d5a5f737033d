"""Recipes: what a run is made of, and the catalogue of those that come with the package."""

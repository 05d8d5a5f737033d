"""The search for loss, strength and correction of a recipe, on samples held out of training."""

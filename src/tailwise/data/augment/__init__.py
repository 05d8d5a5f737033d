"""Augmentation of image batches: random steps that a recipe lists, made of operations with a parameter per sample."""

"""Thin adapters to what people train with already: scikit-learn, Lightning, Hugging Face."""

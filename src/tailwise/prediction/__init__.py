"""Trained classifiers at work: loaded from their run directories, fed with new data, exported."""

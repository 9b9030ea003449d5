"""Vectors, by which assets will be found."""

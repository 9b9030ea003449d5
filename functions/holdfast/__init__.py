"""Holdfast: a versioned asset store for Kubernetes with a declared end of life."""

__version__ = "0.1.0"

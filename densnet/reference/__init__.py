"""Geometries, and what electronic structure theory says about them: sampling, labels, free atoms."""

"""Stands in for the imports of the world `plugin`."""

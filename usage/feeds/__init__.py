"""Feeds: the sources from which events come, their rhythm, and whether one has fallen silent."""

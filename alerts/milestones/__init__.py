"""Milestones: what accounts are to reach, in order, and by when."""

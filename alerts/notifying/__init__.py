"""Telling people: notices written with what happened, sent by another step, each at least once with the same key."""

"""Importing a file on screen, step by step: stored, guessed at, previewed, run in the background, undone."""

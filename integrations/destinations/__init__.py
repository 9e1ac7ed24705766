"""Sending what changes to other tools: looked for after refreshes, written down with what is known there, then sent."""

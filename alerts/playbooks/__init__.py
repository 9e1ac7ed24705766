"""Playbooks: what they are made of, who comes in, how steps are taken, what is sent."""

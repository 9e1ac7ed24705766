"""Measurements: what a refresh and a page cost, beside what they could cost at best. See the README here."""

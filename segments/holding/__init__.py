"""Holding: rules that would answer otherwise only because a feed is silent keep their last answer, and say so."""

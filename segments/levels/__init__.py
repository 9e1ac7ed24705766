"""Account levels by rules: the company's list of levels in order, of which the topmost whose rule matches wins."""

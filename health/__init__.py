"""Health scores: how well an account does, by configurations that a customer-success team writes."""

"""The pages that a customer-success team works with."""

"""A company that does not exist, made from a seed: customers, people, contracts, usage, a team and its segments."""

from integrations.demo.loading import load_company

__all__ = ["load_company"]

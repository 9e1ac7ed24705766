"""The back office of integrations."""

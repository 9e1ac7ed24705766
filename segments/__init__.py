"""Groups of accounts by rule, with the history of who was in."""

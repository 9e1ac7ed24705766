"""The rule engine: pure, without models of its own and without writes."""

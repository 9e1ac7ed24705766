"""What a rule would have raised: its conditions asked of past days, and the alerts that follow from the answers."""

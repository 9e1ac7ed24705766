"""The composition root: settings, addresses, the order of the refresh, and the commands that run the product."""

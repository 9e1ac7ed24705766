"""Connections: billing from Stripe and customers from HubSpot, fetched by the clock through their own APIs."""

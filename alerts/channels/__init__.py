"""What messages are sent with: e-mail, Slack, a webhook."""

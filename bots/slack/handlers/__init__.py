"""What is done for each kind of event and interaction on Slack."""

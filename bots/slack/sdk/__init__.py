"""Slack's own libraries: all that imports slack_bolt and slack_sdk, and nothing else does."""

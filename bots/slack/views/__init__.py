"""Views: plain data to Slack's views, blocks and buttons. Pure."""

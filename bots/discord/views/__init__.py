"""Views: plain data to Discord's modals and buttons. Pure."""

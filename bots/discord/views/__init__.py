"""Plain data to Discord's modals and buttons. Pure."""

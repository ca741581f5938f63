"""What goes out: answers posted, edited and finished in the channel they belong to."""

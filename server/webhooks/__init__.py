"""What is sent to clients when their jobs have ended: the table of it, and the sending."""

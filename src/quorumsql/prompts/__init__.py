"""What language models read: every prompt of the system, as text and as data."""

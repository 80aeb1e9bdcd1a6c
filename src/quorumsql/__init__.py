"""Ask a database a question in plain words; an ensemble answers, and says how sure it is."""

__version__ = "0.1.0"

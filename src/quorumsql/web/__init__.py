"""The door for browsers and programs: a page and a REST interface over the same answers."""

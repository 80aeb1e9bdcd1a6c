"""SQL as token sequences: the tree that generators write, its forms and grammars."""

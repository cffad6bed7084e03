"""``sybio reproduce``: the tables and figures of the paper, and additional experiments."""

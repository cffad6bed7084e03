"""The paper's tables and figures, and some that it lacks, as commands: ``sybio reproduce``."""

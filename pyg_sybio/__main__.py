"""Run the command line ``sybio`` as ``python -m pyg_sybio``."""

import sys

from pyg_sybio.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

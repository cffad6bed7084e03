"""``python -m pyg_sybio`` is ``sybio``."""

import sys

from pyg_sybio.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

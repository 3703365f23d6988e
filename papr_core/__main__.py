"""`python -m papr_core`: the command line."""

import sys

from papr_core.commands.main import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m corpus_tools`: the same as `corpus-tools`."""

import sys

from corpus_tools.cli import main

if __name__ == "__main__":
    sys.exit(main())

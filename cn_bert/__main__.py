"""`python -m cn_bert` and `deepspeed --module cn_bert`."""

import sys

from cn_bert.cli import main

sys.exit(main())

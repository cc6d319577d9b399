"""Makes the modules of `examples/` importable: tests compare with what the examples compute."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

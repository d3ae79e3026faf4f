"""Twuin: an open monitor for municipal water networks."""

import os
from importlib.metadata import version

# Before NumPy is loaded. Matrices here have some hundred rows: on these BLAS gains nothing by threads, and
# where anything else runs they wait for each other (ten times as long beside one other process).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = version("twuin")

#!/usr/bin/env python3
"""PESQ (ITU-T P.862, wide band P.862.2) of what was heard against what was said.

  pesq_score.py nb|wb SAID HEARD

Both files are 16-bit samples, little-endian, one channel: 8 kHz for nb, 16 kHz for wb. Prints the score (MOS-LQO, at most 4.55 narrow
and 4.64 wide).
"""

import sys

import numpy
from pesq import pesq

mode, said, heard = sys.argv[1:]
rate = {"nb": 8000, "wb": 16000}[mode]
print(pesq(rate, *(numpy.fromfile(path, dtype="<i2") for path in (said, heard)), mode))

"""Become another program that the kernel kills as soon as the parent is gone.

Usage: die_with_parent.py PARENT-PID PROGRAM [ARGUMENT...]
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if sys.platform == "linux":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("die_with_parent: the parent has ended already")
os.execv(sys.argv[2], sys.argv[2:])

"""Shift the clock of a process. Python runs this file at start if its folder is in PYTHONPATH.

WATERHOLE_TEST_CLOCKS sets the shift in seconds by module, such as "services.gateway=60,services.dedoppler=-60". The
shift changes the time of day only, not the monotonic clocks.
"""

import ctypes
import datetime
import gc
import os
import sys
import time

_now, _utcnow, _time, _time_ns = datetime.datetime.now, datetime.datetime.utcnow, time.time, time.time_ns


def _set_clock(skew_s: int) -> None:
    skew = datetime.timedelta(seconds=skew_s)
    time.time = lambda: _time() + skew_s
    time.time_ns = lambda: _time_ns() + skew_s * 10**9
    # The attributes of a C type are read-only, but its dictionary can be changed.
    members = gc.get_referents(datetime.datetime.__dict__)[0]
    members["now"] = classmethod(lambda _, tz=None: _now(tz) + skew)
    members["utcnow"] = classmethod(lambda _: _utcnow() + skew)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))


for _named in filter(None, os.environ.get("WATERHOLE_TEST_CLOCKS", "").split(",")):
    _module, _, _skew_s = _named.partition("=")
    if _module in sys.orig_argv:
        _set_clock(int(_skew_s))

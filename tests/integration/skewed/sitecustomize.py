"""Sets the clock of a process wrong: Python runs this first wherever this folder is in PYTHONPATH.

WATERHOLE_TEST_CLOCKS says by how much, s, for which modules: "services.gateway=60,services.dedoppler=-60". Only what
tells the time of day is moved; monotonic clocks go as they do.
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
    # A type of C has no attributes to set, but its dictionary is there.
    members = gc.get_referents(datetime.datetime.__dict__)[0]
    members["now"] = classmethod(lambda _, tz=None: _now(tz) + skew)
    members["utcnow"] = classmethod(lambda _: _utcnow() + skew)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))


for _named in filter(None, os.environ.get("WATERHOLE_TEST_CLOCKS", "").split(",")):
    _module, _, _skew_s = _named.partition("=")
    if _module in sys.orig_argv:
        _set_clock(int(_skew_s))

"""Simulated observations in physical units: gamma noise, bandpass, DC spike and drifting tones, from a seed.

`scene` describes an observation and makes its spectra. `tones` computes the response of the telescope to a tone,
`emissions` signals of any other shape. `writers` writes SIGPROC and HDF5 files. `voyager` is a ready-made scene with
known hits.
"""

from science.simulator.scene import Scene, make_header, simulate, spectra
from science.simulator.tones import Tone, tone_power
from science.simulator.voyager import voyager_1
from science.simulator.writers import write_fil, write_h5

__all__ = ["Scene", "Tone", "make_header", "simulate", "spectra", "tone_power", "voyager_1", "write_fil", "write_h5"]

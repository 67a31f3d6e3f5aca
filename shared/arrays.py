"""Names for the numpy arrays that the services pass around."""

import numpy as np
import numpy.typing as npt

# Power per spectrum and channel, raw or in units of the noise.
Power = npt.NDArray[np.float32]
# Power in whole steps of a fixed size, for the upper bound.
Quanta = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
# The bits of float32 values.
Bits = npt.NDArray[np.int32]
# 0 or 1 per element.
Flags = npt.NDArray[np.uint8]
# Rows of `shared.hits.HIT_DTYPE`.
Hits = npt.NDArray[np.void]

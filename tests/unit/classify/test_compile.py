"""`compile_kernels` compiles everything that a job needs, so no job waits for the compiler."""

import json
import subprocess
import sys
from pathlib import Path

# In a process of its own, where nothing else has compiled anything.
PROGRAM = """
import json

from services.classify.cadence.closing import close
from services.classify.cadence.document import Origin
from services.classify.cadence.joining import join
from services.classify.classification import classify_observation
from services.classify.compile import compile_kernels
from services.classify.kernels import alignment, chains, curvature, features
from services.classify.model import load_model
from shared.cadence import CadenceParameters
from shared.events import SearchParameters
from shared.hits import ChunkHits
from science.simulator import make_header
from tests.unit.classify.cadence.example_scans import Emitter, cadence
from tests.unit.classify.conftest import Observation


def counts():
    return {
        f"{module.__name__.rsplit('.', 1)[1]}.{name}": len(kernel.signatures)
        for module in (alignment, chains, curvature, features)
        for name, kernel in vars(module).items()
        if hasattr(kernel, "signatures")
    }


model = load_model()
compile_kernels(model)
before = counts()
observation = Observation(make_header(2**16, 16))
signals = [(1000, 0, 60.0, {}), (3000, 12, 40.0, {"width": 4}), (9000, -9, 300.0, {"bow": 3})]
stored = ChunkHits.from_bytes(observation.chunk(signals).to_bytes())
hits = classify_observation(observation.header, SearchParameters(), [stored], model)
scans = cadence([Emitter(8420.5e6, -0.4, 0.0, (20.0,) * 6)], records=True)
close(join(scans, CadenceParameters()), None, Origin("job"))
print(json.dumps({"before": before, "after": counts(), "hits": len(hits)}))
"""


def test_nothing_is_compiled_after_the_start():
    root = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=250)
    assert run.returncode == 0, run.stderr
    counted = json.loads(run.stdout)
    assert counted["hits"] == 3
    assert counted["after"] == counted["before"]
    assert counted["before"]["features._measure"] == 1
    assert counted["before"]["chains.chains"] == 1

"""Training of the labels' model: simulate, search, learn, calibrate, test, write. No service imports any of this.

`python -m science.training` writes the model (`services/classify/model`), the table of held-out hits that the
tests go by (`tests/data/labels`) and the model card (`docs/model-card.md`). It needs the extras `train` and `peers`.
The hits are those of the real search: this package alone may import the search of another service.

`signals` draws what is in the sky, `observe` searches it and tells which hit is whose, `held_out` does the same with
setigen's signals, `fit` learns, `metrics` and `card` say how well.
"""

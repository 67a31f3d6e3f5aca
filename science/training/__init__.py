"""Training of the labels' model: simulate, search, train, calibrate, test, write. No service imports it.

`python -m science.training` writes the model (`services/classify/model`), the table of held-out hits that tests use
(`tests/data/labels`) and the model card (`docs/model-card.md`). It needs the extras `science` and `peers`. The hits
come from the real search (`services.dedoppler`), measured by the real classifier (`services.classify`).

`signals` draws emissions, `observe` simulates and searches them and finds out which hit belongs to which emission,
`held_out` does the same with setigen's signals, `fit` trains, `metrics` and `card` report the quality.
"""

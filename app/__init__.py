"""The serving code: everything that runs inside a model's container, and nothing else of ours.

A request passes `asgi` (or `fastpath`), `bodies` and `admission`, then `routes` -> `protocols` ->
`model` -> `responses`; on the way out one `Outcome` feeds `observability`. Only `factory` imports
Flask, only the engines in `model` import onnxruntime, joblib, pandas and scikit-learn. `fetch` has
an image of its own. The order of all modules is checked: [tool.importlinter] in pyproject.toml.
"""

# As in pyproject.toml (a test compares): the image holds this folder, not the distribution.
__version__ = "0.1.0"

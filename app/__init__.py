"""The serving code: everything that runs inside a model's container, and nothing else of ours.

One request passes the modules in this order: `routes` -> `admission` -> `validation` -> `engine`
-> `responses`; on the way out one `outcome` feeds `metrics` and `logs`. Only `factory` and
`routes` know Flask, only `engine` knows onnxruntime and scikit-learn.
"""

# As in pyproject.toml (a test compares): the image holds this folder, not the distribution.
__version__ = "0.1.0"

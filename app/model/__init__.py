"""The bundle and what it predicts: manifest, contract, validation, engines. Knows no HTTP."""

"""From a fitted estimator and a sample to a verified bundle: contract, lowering, parity gate."""

"""Package a fitted estimator and a sample as a bundle: contract, lowering, parity gate."""

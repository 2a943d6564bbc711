"""The test bed: which suites there are, which a change needs, how they are run."""

"""One module for each process of the sandbox: a pure builder that returns a `Component`."""

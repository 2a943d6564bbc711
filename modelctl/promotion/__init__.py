"""How a version moves: promotion rules, one module per command, and the pull request."""

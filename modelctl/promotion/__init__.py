"""How a version moves: rules, one module for each verb, and the pull request that proposes it."""

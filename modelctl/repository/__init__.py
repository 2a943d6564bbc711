"""The checkout that Argo CD follows: environments, value files, planned edits, git history."""

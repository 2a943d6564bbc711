"""Kinds of pipelines that people serve, each with its right answers from scikit-learn.

A case fits a real pipeline on real data. `test_cases` packages it by the command, serves it by the
real application and compares the answers with those of the estimator for the user's own object.
"""

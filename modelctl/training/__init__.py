"""Trainings on request, whose results are bundles in a store; knows no git and writes none."""

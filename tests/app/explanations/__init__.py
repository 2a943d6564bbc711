"""Explanations, from packaging to the answer."""

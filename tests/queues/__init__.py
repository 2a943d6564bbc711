"""Queues beside real brokers."""

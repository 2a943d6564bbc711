"""Batch: predict files part by part, each row once, by the contract and engine of the service."""

"""Batch runs on this machine: plan files, predict their parts in processes, count every row."""

"""Experiments: schemes compared on a task, runs in, records out."""

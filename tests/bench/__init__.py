"""Benchmarks: each prints its figure beside a yardstick of the same run. ``make bench`` runs them."""

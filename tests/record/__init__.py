"""Recordings of the real OpenCode for the tests of parser and fold. ``make record`` makes them anew."""

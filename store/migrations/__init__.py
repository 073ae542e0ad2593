"""Numbered files, each applied once; never edited once they are released."""

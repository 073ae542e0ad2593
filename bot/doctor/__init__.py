"""The doctor: looks at everything that must be right, says what it saw, and names the mend."""

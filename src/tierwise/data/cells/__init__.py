"""What one cell says, by the formats that its source declares: SQL expressions, built by pure functions."""

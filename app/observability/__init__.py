"""What became of a request: metrics, log lines, spans, captured rows."""

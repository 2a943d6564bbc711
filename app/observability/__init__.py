"""The outcome of requests: metrics, log lines, spans, captured rows."""

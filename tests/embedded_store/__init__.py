"""What the service relies on from the embedded store, each held by a test."""

"""What the embedded model's words do, measured and shown."""

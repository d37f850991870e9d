"""First-party plugins: sources, activations, reporters, executors."""

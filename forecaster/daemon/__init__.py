"""The daemon: what is due is worked once, on time or late, in a child that can be ended."""

"""What each peer runs, in a process of its own."""

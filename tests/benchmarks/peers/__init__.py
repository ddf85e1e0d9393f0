"""labkit's generator beside its peers: what an acknowledged event costs, and whether a stall is told."""

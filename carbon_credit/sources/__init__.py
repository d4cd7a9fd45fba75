"""Pull sources: partners that are asked for their events, and queues that they are read from."""

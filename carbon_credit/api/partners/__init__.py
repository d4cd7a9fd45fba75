"""What partners use: tokens, events, citizens."""

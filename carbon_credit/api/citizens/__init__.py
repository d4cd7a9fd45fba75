"""What citizens use: their account, offers, redemptions."""

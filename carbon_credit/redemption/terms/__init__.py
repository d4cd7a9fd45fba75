"""What an offer says: its terms, weekly hours, districts and rules of eligibility, as data."""

"""What is not taken at a till: codes of pools, donations, subsidies, neutralising."""

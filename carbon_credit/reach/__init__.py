"""What a programme shows people of what they did: medals, boards of districts, a year's report, who paid."""

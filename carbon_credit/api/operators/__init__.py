"""What operators and verifiers use: programmes, methodologies, offers, projects, batches, periods, audit."""

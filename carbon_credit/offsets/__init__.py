"""Batches of final reductions: selected, frozen, verified, registered, handed out as a dossier."""

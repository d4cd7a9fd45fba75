"""Double entry in mgCO2e, points, units and fen. It knows owners only as opaque ids."""

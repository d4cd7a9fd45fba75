"""Who may have an offer, its pieces and the money behind them, codes of pools, budgets of subsidies."""

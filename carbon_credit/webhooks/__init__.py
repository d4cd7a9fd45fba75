"""Webhooks: merchants and partners are told what happened, by Standard Webhooks."""

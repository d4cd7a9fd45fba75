"""Rendering only: workbooks, PDF pages with Chinese, QR codes. The same input gives the same bytes."""

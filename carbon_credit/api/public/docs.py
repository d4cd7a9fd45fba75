"""The contract, as JSON and as a page to browse. All assets are our own; nothing comes from a CDN."""

from importlib.resources import files

from flask import Response, current_app

from carbon_credit.api import spec
from carbon_credit.api.body import JSON
from carbon_credit.api.operation import Call, reads

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "start.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>carbon-credit API 碳普惠接口</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""


@reads(answer=None, downloads=(JSON,), uses_database=False)
def get_contract(call: Call) -> Response:
    """This contract, OpenAPI 3.1."""
    return Response(spec.as_json(current_app), mimetype=JSON)


@reads(answer=None, downloads=("text/html",), uses_database=False)
def get_docs(call: Call) -> Response:
    """This contract as a page to browse and to try."""
    return Response(_PAGE, mimetype="text/html")


@reads(answer=None, downloads=tuple(sorted(set(ASSETS.values()))), uses_database=False)
def get_docs_asset(call: Call, name: str) -> Response:
    """Scripts and styles of the page."""
    data = (files("carbon_credit.api") / "static" / name).read_bytes()
    response = Response(data, mimetype=ASSETS[name])
    response.headers["Cache-Control"] = "public, max-age=86400"
    return response

"""The door: `app` for Flask and gunicorn, `celery_app` for the worker. Each is made when it is asked for."""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "app":
        from carbon_credit.factory import create_app

        return create_app()
    if name == "celery_app":
        import os

        from carbon_credit.kernel.settings import read_settings
        from carbon_credit.tasks import create_celery

        return create_celery(read_settings(os.environ))
    raise AttributeError(name)
